"""The judge's scores as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence


def score_histogram(bins: Sequence[int], min_score: float) -> bytes:
    """PNG of the number of verdicts by score, in equal bins from 0 to 1, with the threshold marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    width = 1 / max(1, len(bins))
    middles = [(n + 0.5) * width for n in range(len(bins))]
    colors = ["#3b7d4f" if middle >= min_score else "#b5533c" for middle in middles]
    figure, axes = pyplot.subplots(figsize=(6, 2.6), dpi=80)
    axes.bar(middles, bins, width=0.9 * width, color=colors)
    axes.axvline(min_score, color="#333333", linestyle="--", linewidth=1)
    axes.set_xlabel("score")
    axes.set_ylabel("verdicts")
    axes.set_xlim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    pyplot.close(figure)
    return buffer.getvalue()

"""Plots of judging: outcomes of the verdicts and their scores."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.core.reports.judging import JudgeReport
from distil_dag.stages.picture import small_axes, webp

_GOOD, _BAD = "#3b7d4f", "#b5533c"
_REASONS = 8


def outcome_bars(report: JudgeReport) -> bytes:
    """WebP of what became of the judged traces: passed, relabelled, rejected by reason, unjudged."""
    good = ("passed", "relabelled")
    ranked = [(name, count) for name, count in report.reasons.items() if name not in good]
    rest = sum(count for _, count in ranked[_REASONS:])
    bars = [(name, report.reasons.get(name, 0), _GOOD) for name in good]
    bars += [(name, count, _BAD) for name, count in ranked[:_REASONS]]
    bars += [("other reasons", rest, _BAD)] if rest else []
    figure, axes = small_axes(0.9 + 0.27 * len(bars))
    for place, (name, count, color) in enumerate(bars):
        axes.barh(place, count, color=color, height=0.7)
        axes.text(count, place, f" {count}", va="center", fontsize=8)
        bars[place] = (name if len(name) <= 44 else name[:43] + "…", count, color)
    axes.set_yticks(range(len(bars)), [name for name, _, _ in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("traces")
    return webp(figure)


def score_histogram(bins: Sequence[int], min_score: float) -> bytes:
    """WebP of the number of verdicts by score, with the threshold marked.

    Args:
        bins: number of verdicts in equal bins from 0 to 1.
        min_score: the threshold.
    """
    width = 1 / max(1, len(bins))
    middles = [(n + 0.5) * width for n in range(len(bins))]
    figure, axes = small_axes(2.6)
    axes.bar(middles, bins, width=0.9 * width, color=[_GOOD if m >= min_score else _BAD for m in middles])
    axes.axvline(min_score, color="#333333", linestyle="--", linewidth=1)
    axes.set_xlabel("score")
    axes.set_ylabel("verdicts")
    axes.set_xlim(0, 1)
    return webp(figure)

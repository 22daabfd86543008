"""Small figures, and a figure as an image that is small enough for an event log."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A plot has few colours; more of them only keep the shades between letters and paper.
_COLOURS = 32


def webp(figure: Figure) -> bytes:
    """The figure as a lossless WebP of few colours, a quarter of its PNG; equal figures give equal bytes."""
    from PIL import Image

    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    image = Image.open(drawn).convert("RGB").quantize(_COLOURS).convert("RGB")
    image.save(packed, "WEBP", lossless=True, quality=100, method=6)
    return packed.getvalue()


def small_axes(height: float) -> tuple[Figure, Axes]:
    """A figure six inches wide, and its axes without a frame.

    Args:
        height: in inches.
    """
    # Not pyplot: its figures are global, and one process may draw several at once.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, height), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes

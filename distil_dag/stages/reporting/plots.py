"""The plots of the evaluation, as images for Dagster; the HTML page draws its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.evidence import ConfidenceReport
from distil_dag.stages.evaluating.metrics import EXACT
from distil_dag.stages.picture import webp

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHIPS = "#0f766e"
_STUDENT = "#5eb3a8"
_OTHER = "#a8b3c2"
_INK = "#1f2937"
_FAINT = "#6b7280"
_LINE = "#e5e7eb"


def exact_match(report: EvalReport, scale: float = 1.0) -> bytes:
    """WebP of every candidate's exact match with its interval.

    Args:
        report: the evaluation.
        scale: factor of the picture's size.
    """
    rows = [(c.name, c.metrics[EXACT], _colour(c.name, report.student)) for c in report.candidates]
    figure, axes = _canvas(len(rows), scale)
    _bars(axes, rows)
    _finish(axes, [name for name, _, _ in rows], "exact match on the frozen test")
    return webp(figure)


def differences(report: EvalReport, scale: float = 1.0) -> bytes:
    """WebP of paired differences, student minus the other.

    Differences within the grey band are too small for this test to show.

    Args:
        report: the evaluation.
        scale: factor of the picture's size.
    """
    rows = [comparison for comparison in report.comparisons if comparison.n]
    figure, axes = _canvas(len(rows), scale)
    for place, row in enumerate(rows):
        gap = row.difference
        sure = gap.low > 0 or gap.high < 0
        axes.barh(place, 2 * row.minimum_detectable, left=-row.minimum_detectable, height=0.62, color=_LINE)
        axes.errorbar(
            gap.value,
            place,
            xerr=[[gap.value - gap.low], [gap.high - gap.value]],
            fmt="o",
            color=_SHIPS if sure else _FAINT,
            capsize=4,
            markersize=6,
            linewidth=1.8,
        )
        at, side = (gap.high + 0.02, "left") if gap.high < 0.8 else (gap.low - 0.02, "right")
        axes.text(at, place, f"{100 * gap.value:+.1f}", va="center", ha=side, color=_INK, fontsize=9)
    axes.axvline(0, color=_INK, linewidth=1)
    lowest = min([row.difference.low for row in rows] + [-row.minimum_detectable for row in rows], default=0)
    _finish(
        axes,
        [f"minus {row.second}" for row in rows],
        f"{report.student}: paired difference, percentage points",
    )
    axes.set_xlim(max(-1.02, min(-0.15, lowest - 0.08)), 1.02)
    return webp(figure)


def coverage(report: ConfidenceReport, scale: float = 1.0) -> bytes:
    """WebP of the exact match of the most probable answers against their share, with its interval.

    Args:
        report: what the answers' probabilities tell.
        scale: factor of the picture's size.
    """
    figure, axes = _canvas(5, scale)
    shares = [point.coverage for point in report.curve]
    exact = [point.exact for point in report.curve]
    axes.fill_between(shares, [e.low for e in exact], [e.high for e in exact], color=_STUDENT, alpha=0.25)
    axes.plot(shares, [e.value for e in exact], color=_SHIPS, linewidth=1.8, marker="o", markersize=3.5)
    if report.target_precision is not None and report.kept is not None:
        axes.axhline(report.target_precision, color=_FAINT, linewidth=1, linestyle=":")
        axes.axvline(report.kept.value, color=_FAINT, linewidth=1, linestyle=":")
    _finish(axes, [], "exact match of the answers it is surest of, by their share of all")
    axes.invert_yaxis()
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0%", "25%", "50%", "75%", "100%"], fontsize=9, color=_INK)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.04)
    return webp(figure)


def _canvas(rows: int, scale: float) -> tuple[Figure, Axes]:
    # Not pyplot: its figures are global, and a webserver's process may draw several at once.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6 * scale, (0.9 + 0.42 * max(rows, 1)) * scale), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _colour(name: str, student: str) -> str:
    """The student that ships stands out, its other forms are near it."""
    return _SHIPS if name == student else _STUDENT if name.startswith("student") else _OTHER


def _bars(axes: Axes, rows: Sequence[tuple[str, Estimate, str]]) -> None:
    for place, (_, share, shade) in enumerate(rows):
        axes.barh(place, share.value, height=0.62, color=shade)
        axes.errorbar(
            share.value,
            place,
            xerr=[[share.value - share.low], [share.high - share.value]],
            color=_INK,
            capsize=3,
            linewidth=1.2,
        )
        axes.text(share.high + 0.015, place, f"{100 * share.value:.1f}", va="center", color=_INK, fontsize=9)
    axes.set_xlim(0, 1.1)


def _finish(axes: Axes, labels: Sequence[str], title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10.5, color=_INK, pad=10)
    # Names of tools come from the task: a dollar sign in one must not start a formula.
    axes.set_yticks(
        range(len(labels)), [label.replace("$", r"\$") for label in labels], fontsize=9, color=_INK
    )
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%" if abs(value) <= 1.001 else "")
    axes.tick_params(axis="x", labelsize=8.5, colors=_FAINT, length=0)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)

"""The yield funnel of a synthetic set, as rows and as an image."""

from __future__ import annotations

from typing import Any

from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.stages.picture import webp
from distil_dag.stages.synthesis.filters import REASONS

_KEPT, _LOST, _INK, _FAINT = "#0f766e", "#d9a38f", "#1f2937", "#6b7280"


def funnel_rows(report: SynthesisReport) -> list[dict[str, Any]]:
    """The funnel from attempts to accepted rows: after each check, how many it refused and what is left."""
    left = report.attempted
    rows: list[dict[str, Any]] = [{"step": "attempted", "refused": 0, "left": left}]
    known = [reason for reason in REASONS if reason in report.rejected]
    for reason in known + sorted(set(report.rejected) - set(known)):
        left -= report.rejected[reason]
        rows.append({"step": reason, "refused": report.rejected[reason], "left": left})
    rows.append({"step": "accepted", "refused": max(0, left - report.accepted), "left": report.accepted})
    for row in rows:
        row["share"] = f"{row['left'] / report.attempted:.0%}" if report.attempted else "-"
    return rows


def funnel_plot(report: SynthesisReport) -> bytes:
    """WebP of the funnel: what is left after each check, and what it took away."""
    # Not pyplot: its figures are global, and one process may draw several at once.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = funnel_rows(report)
    figure = Figure(figsize=(7.6, 0.9 + 0.34 * len(rows)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        axes.barh(place, row["left"], height=0.66, color=_KEPT)
        axes.barh(place, row["refused"], left=row["left"], height=0.66, color=_LOST)
        note = f"{row['left']}" + (f"  (\N{MINUS SIGN}{row['refused']})" if row["refused"] else "")
        axes.text(row["left"] + row["refused"], place, f" {note}", va="center", fontsize=8.5, color=_INK)
    axes.set_yticks(range(len(rows)), [row["step"] for row in rows], fontsize=9, color=_INK)
    axes.invert_yaxis()
    axes.set_xlim(0, max(report.attempted, 1) * 1.16)
    axes.set_title("what is left after each check", loc="left", fontsize=10.5, color=_INK, pad=10)
    axes.tick_params(axis="x", labelsize=8.5, colors=_FAINT, length=0)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    return webp(figure)

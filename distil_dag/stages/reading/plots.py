"""Plots of an intake: what became of the records, and when they were logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from distil_dag.core.reports.intake import TracesReport
from distil_dag.stages.picture import small_axes, webp

_GOOD, _OTHER, _BAD = "#3b7d4f", "#8a8f98", "#b5533c"
_MOST_BARS, _MOST_DAYS, _LONGEST = 10, 92, 44
_DAY, _MONTH = len("2026-11-30"), len("2026-11")


def became_bars(report: TracesReport) -> bytes:
    """WebP of the traces by tool, and of what was set aside by reason."""
    bars = [(name, count, _GOOD) for name, count in report.calls_per_tool.items()][:_MOST_BARS]
    bars += [(name, count, _OTHER) for name, count in report.no_answers.items()][:_MOST_BARS]
    bars += [(name, count, _BAD) for name, count in report.quarantined.items()][:_MOST_BARS]
    figure, axes = small_axes(0.9 + 0.27 * max(1, len(bars)))
    for place, (_, count, color) in enumerate(bars):
        axes.barh(place, count, color=color, height=0.7)
        axes.text(count, place, f" {count:,}", va="center", fontsize=8)
    names = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name, _, _ in bars]
    axes.set_yticks(range(len(bars)), [name.replace("$", r"\$") for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("calls by tool (green), other records (grey), set aside (red)")
    return webp(figure)


def day_bars(days: Mapping[str, int]) -> bytes:
    """WebP of the number of traces by day, or by month where there are many days.

    Args:
        days: day, ISO 8601 -> number of traces, in order of time.
    """
    length = _DAY if len(days) <= _MOST_DAYS else _MONTH
    counts: Counter[str] = Counter()
    for day, count in days.items():
        counts[day[:length]] += count
    figure, axes = small_axes(2.2)
    axes.bar(range(len(counts)), list(counts.values()), color=_GOOD)
    shown = sorted({0, len(counts) // 2, len(counts) - 1})
    axes.set_xticks(shown, [list(counts)[place] for place in shown], fontsize=8)
    axes.set_ylabel("traces")
    return webp(figure)

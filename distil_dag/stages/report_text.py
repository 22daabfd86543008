"""What an evaluation says, in words: the verdict, and a short Markdown report."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.core.reports import Comparison, Estimate, EvalReport
from distil_dag.stages.metrics import EXACT, NAME, STAGED


def verdict(report: EvalReport) -> str:
    """The result in one or two sentences: the score, and what it is better or worse than."""
    exact = report.candidate(report.student).metrics[EXACT]
    better = [row.second for row in report.comparisons if row.difference.low > 0]
    worse = [row.second for row in report.comparisons if row.difference.high < 0]
    # That its other forms answer alike is what they are for.
    unclear = [
        row.second
        for row in report.comparisons
        if row.second not in {*better, *worse} and not row.second.startswith("student")
    ]
    found = (("better than", better), ("worse than", worse), ("not distinguishable from", unclear))
    parts = [f"{word} {_listed(names)}" for word, names in found if names]
    result = f"{report.student} answers {share(exact)} of {report.n} held-out requests exactly right"
    compared = f" It is {', '.join(parts[:-1])}{', and ' if parts[1:] else ''}{parts[-1]}." if parts else ""
    return f"{result} ({interval(exact)}).{compared}"


def report_markdown(report: EvalReport) -> str:
    """The verdict, a table of candidates and one of paired differences; for Dagster and model cards."""
    lines = [
        f"**{_plain(verdict(report))}**",
        "",
        "| candidate | exact match | interval | function name | staged | p50 ms | p95 ms | MB | n |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report.candidates:
        name = f"**{_plain(row.name)}**" if row.name == report.student else _plain(row.name)
        cells = [
            name,
            share(row.metrics[EXACT]),
            interval(row.metrics[EXACT]),
            share(row.metrics[NAME]),
            f"{row.metrics[STAGED].value:.3f}",
            *(f"{row.latency_ms[key]:.0f}" if key in row.latency_ms else "" for key in ("p50", "p95")),
            f"{row.bytes / 1e6:.0f}" if row.bytes else "",
            str(row.n),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if report.comparisons:
        lines += [
            "",
            f"| {_plain(report.student)} minus | points | interval | detectable | p (McNemar) | n |",
            "|---|---|---|---|---|---|",
        ]
        lines += [f"| {' | '.join(_compared(row))} |" for row in report.comparisons]
    lines += ["", f"Test labels: {_plain(report.test_labels)}." if report.test_labels else ""]
    return "\n".join(lines).strip() + "\n"


def share(estimate: Estimate) -> str:
    """A share in per cent: `91.0 %`."""
    return f"{100 * estimate.value:.1f} %"


def interval(estimate: Estimate) -> str:
    """An interval in per cent: `86.2 to 94.3 %`."""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"


def points(value: float) -> str:
    """A difference in percentage points, with its sign: `+12.5`."""
    return f"{100 * value:+.1f}"


def _compared(row: Comparison) -> list[str]:
    gap = row.difference
    return [
        _plain(row.second),
        points(gap.value),
        f"{points(gap.low)} to {points(gap.high)}",
        f"{100 * row.minimum_detectable:.1f}",
        p_value(row.p_value),
        str(row.n),
    ]


def p_value(value: float) -> str:
    """`0.031`, or `< 0.001`."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _plain(text: str) -> str:
    """Text that can open no cell, tag or link."""
    for mark in "\\`*_[]|":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())

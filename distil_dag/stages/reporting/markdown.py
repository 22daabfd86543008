"""What an evaluation says, in words: the verdict, and a short Markdown report."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.cells import CellsReport
from distil_dag.core.reports.evaluation import Comparison, EvalReport
from distil_dag.core.reports.evidence import (
    ConfidenceReport,
    LabelNoiseReport,
    LeakageReport,
    RuntimeReport,
    SimilarityBand,
)
from distil_dag.stages.evaluating.candidate import PARENT
from distil_dag.stages.evaluating.metrics import EXACT, NAME, STAGED
from distil_dag.stages.reporting.guarantee_text import further, guaranteed

# Cells in the Markdown, which lies in the event log; page and JSON have all of them.
_CELLS = 40
_TERMS = (
    "Exact match: the same calls with the same arguments as the label. Staged: partial credit, a quarter "
    "each for a readable call, the right tool, the right argument names and the right values. Decoder: it "
    "lets the student write only calls that the tools allow. p50, p95: times of one answer by itself."
)


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


def helped(report: EvalReport) -> str:
    """Whether continuing the training has helped, in words, with the scores of the cells that it aimed at.

    Returns:
        Empty for a first round.
    """
    if not report.continues:
        return ""
    found = report.against(report.student, PARENT)
    gap = found.difference
    measured = (
        f"{points(gap.value)} points ({_span(gap)}) against the student of {report.continues}, paired on "
        f"{found.n} test cases"
    )
    if gap.low > 0:
        told = f"It helped: {measured}."
    elif gap.high < 0:
        told = f"It did not help, it harmed: {measured}."
    else:
        told = (
            f"Whether it helped cannot be told, the interval includes zero: {measured}. A true difference "
            f"of {100 * found.minimum_detectable:.1f} points would show in four of five such tests."
        )
    aimed = [cell for cell in report.cells.aimed if cell.n] if report.cells else []
    if not aimed:
        return told
    before, now, n = (sum(getattr(cell, name) or 0 for cell in aimed) for name in ("before", "exact", "n"))
    cells = "1 weak cell" if len(aimed) == 1 else f"{len(aimed)} weak cells"
    return f"{told} In the {cells} that it aimed at, {now} of {n} are right, {before} were."


def report_markdown(report: EvalReport) -> str:
    """The evaluation in Markdown, for Dagster and model cards.

    It holds the verdict, candidates, differences, runtimes, cells, confidence, leakage and conventions.
    """
    lines = [
        f"**{_plain(verdict(report))}**",
        *(["", f"**{_plain(helped(report))}**"] if report.continues else []),
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
    lines += _unreadable(report)
    lines += ["", _TERMS]
    lines += _comparisons(f"{report.student} minus", report.comparisons)
    lines += _comparisons("file minus checkpoint", report.quantisation, by_first=True)
    lines += _runtimes(report.runtimes)
    lines += _cells(report.cells) if report.cells else []
    lines += _confidence(report.confidence) if report.confidence else []
    lines += _leakage(report.leakage) if report.leakage else []
    lines += _conventions(report.conventions) if report.conventions else []
    lines += ["", f"Test labels: {_plain(report.test_labels)}." if report.test_labels else ""]
    return "\n".join(lines).strip() + "\n"


def _unreadable(report: EvalReport) -> list[str]:
    """A line for each candidate with calls that could not be read, which count as wrong."""
    said = [
        f"{_plain(row.name)}: {sum(row.unreadable.values())} of {row.n} answers hold a call that could not "
        f"be read ({', '.join(f'{_plain(form)} {count}' for form, count in row.unreadable.items())})."
        for row in report.candidates
        if row.unreadable
    ]
    return ["", *said] if said else []


def share(estimate: Estimate) -> str:
    """A share in per cent, such as `91.0 %`."""
    return f"{100 * estimate.value:.1f} %"


def interval(estimate: Estimate) -> str:
    """An interval in per cent, such as `86.2 to 94.3 %`."""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"


def points(value: float) -> str:
    """A difference of shares in percentage points with its sign, such as `+12.5`."""
    return f"{100 * value:+.1f}"


def p_value(value: float) -> str:
    """A p-value, such as `0.031` or `< 0.001`."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def band(row: SimilarityBand) -> str:
    """The ends of a band of similarity: `0.8 to 0.9`, or `same words`."""
    return "same words" if row.low == 1.0 else f"{row.low:g} to {row.high:g}"


def ids(shown: Sequence[int]) -> str:
    """Token ids of a part of a prompt: `1 4093 198`, or `none`."""
    return " ".join(map(str, shown)) or "none"


def price(value: float) -> str:
    """An amount with the digits that count: `0.042`, `12.5`."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _confidence(found: ConfidenceReport) -> list[str]:
    told = [f"Confidence of {_plain(found.candidate)}:"]
    if found.auroc:
        area = found.auroc
        told.append(f"AUROC of right against wrong {area.value:.3f} ({area.low:.3f} to {area.high:.3f});")
    if found.kept is None or found.precision is None or found.target_precision is None:
        return ["", f"{' '.join(told)} not calibrated, so there is no threshold."]
    told.append(
        f"the threshold for a precision of {100 * found.target_precision:g} %, chosen on "
        f"{found.calibrated_on} other requests, keeps {share(found.kept)} of the test "
        f"({interval(found.kept)}) with a precision of {share(found.precision)} "
        f"({interval(found.precision)});"
    )
    told.append(
        f"expected calibration error {found.calibration_error:.3f}, by chance up to "
        f"{found.calibration_error_by_chance:.3f}."
    )
    if found.teacher_exact:
        exact = found.teacher_exact
        told.append(f"With the teacher for the rest, {share(exact)} are exactly right ({interval(exact)}).")
    if found.blended_cost is not None and found.teacher_cost is not None:
        told.append(
            f"1,000 requests then cost {price(found.blended_cost)}, against {price(found.teacher_cost)} "
            "at the teacher alone."
        )
    if found.guarantee:
        told += [guaranteed(found.guarantee), further(found.guarantee)]
    return ["", " ".join(filter(None, told))]


def _comparisons(head: str, rows: Sequence[Comparison], by_first: bool = False) -> list[str]:
    if not rows:
        return []
    lines = [
        "",
        f"| {_plain(head)} | points | interval | bootstrap | detectable | p (McNemar) | n |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            _plain(row.first if by_first else row.second),
            points(row.difference.value),
            _span(row.difference),
            _span(row.bootstrap) if row.bootstrap else "",
            f"{100 * row.minimum_detectable:.1f}",
            p_value(row.p_value),
            str(row.n),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _runtimes(rows: Sequence[RuntimeReport]) -> list[str]:
    if not rows:
        return []
    lines = [
        "",
        "| runtime | by | same prompts | exact match | interval | minus checkpoint | interval | same calls "
        "| same text | p50 ms |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for place, row in enumerate(rows):
        beside = ("", "", "", "") if place == 0 else (
            points(row.difference.value), _span(row.difference), share(row.same_calls), share(row.same_text)
        )  # fmt: skip
        cells = [
            _plain(row.candidate),
            _plain(row.software),
            f"{row.same_prompts} of {row.prompts}",
            share(row.exact),
            interval(row.exact),
            *beside,
            "" if row.p50_ms is None else f"{row.p50_ms:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for row in rows:
        if other := row.other_prompt:
            lines += [
                "",
                f"{_plain(row.candidate)} reads {_plain(other.case)} otherwise, from id {other.start}: "
                f"checkpoint {ids(other.reference)}, here {ids(other.runtime)}.",
            ]
    return lines


def _cells(found: CellsReport) -> list[str]:
    again = any(cell.before is not None for cell in found.cells)
    lines = [
        "",
        f"| cell | test |{' before |' if again else ''} set aside | error, smoothed | weak |",
        f"|---|---|{'---|' if again else ''}---|---|---|",
    ]
    met = [row for row in found.cells if row.n or row.aside]
    for row in met[:_CELLS]:
        cells = [
            _plain(row.cell),
            f"{row.exact} of {row.n}",
            *([f"{row.before or 0} of {row.n}"] if again else []),
            f"{row.aside_exact} of {row.aside}",
            "" if row.error is None else f"{100 * row.error:.0f} %",
            ", ".join(name for name, said in (("weak", row.weak), ("aimed at", row.aimed)) if said),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    unmet, left = len(found.cells) - len(met), len(met) - _CELLS
    rest = f" {left} more cells are in the report." if left > 0 else ""
    rest += f" No request of either met the other {unmet} of the plan." if unmet else ""
    return [*lines, "", f"{weakness(found)}{rest}"]


def weakness(found: CellsReport) -> str:
    """How many cells are weak, and by which rows they are called so."""
    if found.error is None:
        return "No rows were set aside, so no cell can be called weak without spending the test."
    return (
        f"Weak are {len(found.weak)} of {len(found.cells)} cells: there the student probably errs more often "
        f"than the {100 * found.error:.0f} % of all rows that were set aside from training. The test has no "
        "say in it. A run that continues this one aims at them."
    )


def _leakage(found: LeakageReport) -> list[str]:
    lines = [
        "",
        "| rows | number | trained on | same words | same call, alike | nearest p50 / p90 / max |",
        "|---|---|---|---|---|---|",
    ]
    for row in found.tables:
        near = " / ".join(f"{row.nearest[name]:.2f}" for name in ("p50", "p90", "max"))
        trained = "yes" if row.trained_on else "no"
        lines.append(
            f"| {row.table} | {row.rows} | {trained} | {row.same_words} | {row.same_call} | {near} |"
        )
    shown = (f"{band(row)}: {share(row.exact)} of {row.n} ({interval(row.exact)})" for row in found.bands)
    return [*lines, "", f"Exact match by similarity to the nearest row trained on: {'; '.join(shown)}."]


def _conventions(found: LabelNoiseReport) -> list[str]:
    split = [row for row in found.disagreements if row.convention]
    if not split:
        return ["", "No kind of failure meets a convention on which the log is split."]
    named = ", ".join(
        f"{row.kind} {row.tool} {row.argument}".rstrip() + f" ({len(row.cases)} cases, log "
        f"{row.log_as_label} to {row.log_otherwise})"
        for row in split
    )
    aside = (
        f" With the {found.set_aside} failures set aside that differ by these alone, exact match would be "
        f"{share(found.exact)} ({interval(found.exact)}): beside the result, not in its place."
    )
    return ["", f"The log is split on conventions: {_plain(named)}.{aside if found.set_aside else ''}"]


def _span(estimate: Estimate) -> str:
    return f"{points(estimate.low)} to {points(estimate.high)}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _plain(text: str) -> str:
    """Text that can open no cell, tag or link."""
    for mark in "\\`*_[]|":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())

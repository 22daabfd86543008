"""The gates of the data: what intake, judging and synthesis reported."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.core.case import Case
from distil_dag.core.gates.finding import Finding, at_least, at_most, stamped
from distil_dag.core.leaks import Leak, find_copies, find_leaks
from distil_dag.core.normalise import Normaliser
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.settings import GateName, GateSpec
from distil_dag.core.toolset import Toolset


def check_traces(report: TracesReport, spec: GateSpec, windowed: bool) -> list[Finding]:
    """Whether there is enough to distil from, and the log was readable.

    Args:
        report: what intake reported.
        spec: the thresholds.
        windowed: whether the run takes a window of the log; else it takes all of it.
    """
    share = report.quarantined_total / report.read if report.read else 0.0
    reasons = [{"reason": reason, "rows": n} for reason, n in _largest_first(report.quarantined)]
    return stamped(
        spec,
        Finding(
            gate="enough_traces",
            passed=report.kept >= max(spec.min_traces, 1),
            message=f"{report.kept} traces in the {'window' if windowed else 'log'}; "
            f"{spec.min_traces} needed.",
            figure=str(report.kept),
            threshold=f"{max(spec.min_traces, 1)} or more",
            numbers={"kept": report.kept, "min_traces": spec.min_traces},
            mends=(
                "A key with an earlier SINCE takes more of the log, and TASK.LABEL all of it."
                if windowed
                else "The run has taken the whole log already: it needs more records.",
            ),
            settings={"min_traces": report.kept} if report.kept else {},
            soft=(*spec.soft, "enough_traces") if report.kept else (),
        ),
        Finding(
            gate="quarantine_share",
            passed=share <= spec.max_quarantined,
            message=f"{report.quarantined_total} of {report.read} rows could not be read ({share:.1%}; "
            f"{spec.max_quarantined:.1%} allowed).",
            figure=f"{share:.1%}",
            threshold=f"{spec.max_quarantined:.1%} or less",
            numbers={"share": share, "max_quarantined": spec.max_quarantined},
            rows=reasons,
            mends=(
                "The table `quarantine` gives the reason of each: mend the log, or the section `traces` that "
                "says how it is read.",
            ),
            settings={"max_quarantined": at_least(share)},
            soft=(*spec.soft, "quarantine_share") if report.kept else (),
        ),
    )


def check_seeds(
    report: JudgeReport,
    test: Sequence[Case],
    labelled: Sequence[Case],
    unlabelled: Sequence[Case],
    toolset: Toolset,
    spec: GateSpec,
    normaliser: Normaliser,
) -> list[Finding]:
    """Whether enough traces passed a judge whose verdicts could be read, and none of them is a test case.

    Args:
        report: what judging reported.
        test: the frozen test.
        labelled: seeds and context, which later stages see with their calls.
        unlabelled: all other rows that later stages see.
        toolset: the tools, by which calls are compared.
        spec: the thresholds.
        normaliser: tells which requests are the same.
    """
    leaks = find_leaks(test, labelled, toolset, spec.leak_similarity, normaliser)
    leaks += find_copies(test, unlabelled, normaliser)
    unjudged = report.unjudged / report.judged if report.judged else 0.0
    return stamped(
        spec,
        Finding(
            gate="enough_seeds",
            passed=report.seeds >= max(spec.min_seeds, 1),
            message=f"{report.seeds} seeds; {spec.min_seeds} needed.",
            figure=str(report.seeds),
            threshold=f"{max(spec.min_seeds, 1)} or more",
            numbers={"seeds": report.seeds, "min_seeds": spec.min_seeds},
            mends=(
                f"More traces passed than `judge.seeds` allows: raise it to {spec.min_seeds}."
                if report.passed_context and report.seeds + report.passed_context >= spec.min_seeds
                else "More traces, a lower `judge.min_score` or `judge.relabel: true` bring more seeds.",
            ),
            settings={"min_seeds": report.seeds} if report.seeds else {},
            soft=(*spec.soft, "enough_seeds") if report.seeds else (),
        ),
        Finding(
            gate="seed_yield",
            passed=report.seed_yield >= spec.min_seed_yield,
            message=f"{report.seed_yield:.1%} of {report.judged} judged traces passed; "
            f"{spec.min_seed_yield:.1%} expected. Fewer point at a judge or a log that is broken.",
            figure=f"{report.seed_yield:.1%}",
            threshold=f"{spec.min_seed_yield:.1%} or more",
            numbers={"yield": report.seed_yield, "min_seed_yield": spec.min_seed_yield},
            mends=(
                "Read the rejected calls in the table `verdicts`. Where they are right, a lower "
                "`judge.min_score` or another judge passes more.",
            ),
            settings={"min_seed_yield": at_most(report.seed_yield)},
            soft=(*spec.soft, "seed_yield"),
            rows=[{"reason": reason, "rows": n} for reason, n in _largest_first(report.reasons)],
        ),
        Finding(
            gate="verdicts_readable",
            passed=unjudged <= spec.max_unjudged,
            message=f"{report.unjudged} of {report.judged} verdicts could not be read ({unjudged:.1%}; "
            f"{spec.max_unjudged:.1%} allowed).",
            figure=f"{unjudged:.1%}",
            threshold=f"{spec.max_unjudged:.1%} or less",
            numbers={"share": unjudged, "max_unjudged": spec.max_unjudged},
            mends=(
                "The judge does not keep to the form of its answers: a larger `teacher` does, and "
                "`judge.kind: likelihood` asks for none.",
            ),
            settings={"max_unjudged": at_least(unjudged)},
            soft=(*spec.soft, "verdicts_readable"),
        ),
        _leak_finding(
            "seeds_leak_free",
            leaks,
            len(labelled) + len(unlabelled),
            test,
            spec,
            "Take the check's rows out of the log, or the requests that they repeat out of `test.jsonl`.",
        ),
        _calibration_finding(report, spec),
    )


def _calibration_finding(report: JudgeReport, spec: GateSpec) -> Finding:
    found = report.faults_found or {}
    kappa = found.get("kappa", -1.0)
    return Finding(
        gate="judge_agrees",
        # A judge that nobody has checked is not known to agree; a threshold of 0 asks for nothing.
        passed=kappa >= spec.min_judge_kappa or spec.min_judge_kappa == 0,
        message=f"{report.calibration} A kappa of {spec.min_judge_kappa:.2f} is needed.",
        figure=f"kappa {kappa:.2f}" if found else "no labels",
        threshold=f"{spec.min_judge_kappa:.2f} or more",
        numbers={**found, "min_judge_kappa": spec.min_judge_kappa},
        # Labels are the user's to write: that there are none yet stops no run.
        severity="error" if found else "warn",
        mends=(
            "Look for mistakes in `labels.jsonl`, then take a larger `teacher`, or another `judge.kind` or "
            "`judge.min_score`."
            if found
            else "Write `labels.jsonl` from to_label.jsonl, which lies beside the run's judged_seeds.",
        ),
        settings={"min_judge_kappa": at_most(kappa)},
        soft=(*spec.soft, "judge_agrees") if found else (),
    )


def check_synthetic(
    report: SynthesisReport,
    rows: Sequence[Case],
    test: Sequence[Case],
    toolset: Toolset,
    spec: GateSpec,
    normaliser: Normaliser,
) -> list[Finding]:
    """Whether the synthetic rows are valid and cover the plan, and none of them is a test case.

    Args:
        report: what synthesis reported.
        rows: the synthetic rows that were accepted.
        test: the frozen test.
        toolset: the tools that calls must be valid under.
        spec: the thresholds.
        normaliser: tells which requests are the same.
    """
    broken = [
        {"id": row.id, "request": row.request, "problems": "; ".join(problems)}
        for row in rows
        if (problems := [text for call in row.calls for text in toolset.problems(call)])
    ]
    validity = 1 - len(broken) / len(rows) if rows else 0.0
    short = [cell for cell in report.cells if 2 * cell.accepted < cell.quota]
    # A run may do without synthesis (`rows: 0`): then there is no plan to fill.
    coverage = report.coverage if report.cells else 1.0
    wanted = bool(report.cells)
    return stamped(
        spec,
        Finding(
            gate="calls_valid",
            passed=validity >= spec.min_synthetic_validity if rows else not wanted,
            message=f"{len(rows) - len(broken)} of {len(rows)} rows hold calls that the tools allow"
            f" ({validity:.1%}; {spec.min_synthetic_validity:.1%} needed).",
            figure=f"{validity:.1%}",
            threshold=f"{spec.min_synthetic_validity:.1%} or more",
            numbers={"validity": validity, "rows": len(rows), "broken": len(broken)},
            rows=broken[:20],
            mends=(
                "The check's rows do not fit the tools: widen these in `job_description.json` where the "
                "rows are right."
                if rows
                else "No row was accepted: the report of synthetic_set says why. A larger `teacher` writes "
                "better rows; `synthesis.rows: 0` does without.",
            ),
            settings={"min_synthetic_validity": at_most(validity)} if rows else {},
            soft=(*spec.soft, "calls_valid"),
        ),
        Finding(
            gate="cells_covered",
            passed=coverage >= spec.min_cell_coverage,
            message=f"{coverage:.1%} of the plan's cells hold at least half of their quota; "
            f"{spec.min_cell_coverage:.1%} needed. Synthesis stopped because: {report.stopped}.",
            figure=f"{coverage:.1%}",
            threshold=f"{spec.min_cell_coverage:.1%} or more",
            numbers={"coverage": coverage, "min_cell_coverage": spec.min_cell_coverage},
            mends=(
                "More traces of the cells that the check lists, or a larger `teacher`, fill more of them."
                if report.stopped.startswith("no cell")
                else "A higher `synthesis.max_attempts_per_row` or a larger `teacher` fills more cells, and "
                "fewer `synthesis.rows` ask for less.",
            ),
            settings={"min_cell_coverage": at_most(coverage)},
            soft=(*spec.soft, "cells_covered"),
            rows=[{"cell": c.cell, "quota": c.quota, "accepted": c.accepted} for c in short][:20],
        ),
        _leak_finding(
            "synthetic_leak_free",
            find_leaks(test, rows, toolset, spec.leak_similarity, normaliser),
            len(rows),
            test,
            spec,
            f"Let synthesis reject more: `synthesis.test_similarity` of at most {spec.leak_similarity:g}.",
        ),
    )


def _leak_finding(
    gate: GateName, leaks: Sequence[Leak], scanned: int, test: Sequence[Case], spec: GateSpec, mend: str
) -> Finding:
    return Finding(
        gate=gate,
        passed=bool(test) and len(leaks) <= spec.max_leaks,
        message=f"{len(leaks)} of {scanned} rows repeat one of {len(test)} test requests "
        f"({spec.max_leaks} allowed): the same normalised words, or the same call in words at least "
        f"{spec.leak_similarity:.0%} alike."
        if test
        else "The test is empty: nothing that follows could be measured. It is drawn from traces without "
        "problems, and without placeholders of personal data where no text may be.",
        figure=str(len(leaks)) if test else "no test",
        threshold=f"{spec.max_leaks} or less",
        numbers={"leaks": len(leaks), "scanned": scanned, "test": len(test)},
        rows=[leak.model_dump() for leak in leaks[:20]],
        mends=(mend if test else "Write a `test.jsonl` in the task's folder, or log more traces.",),
        settings={"max_leaks": len(leaks)} if test else {},
        soft=(*spec.soft, gate) if test else (),
    )


def _largest_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

"""Verdicts of the gates: whether a run may go on.

Each function compares what a stage reported (and, for leaks and validity, its rows) with the thresholds of
the task. It returns one finding for each gate, passed or not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from distil_dag.core.case import Case
from distil_dag.core.leaks import Leak, find_copies, find_leaks
from distil_dag.core.normalise import Normaliser
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.settings import GateName, GateSpec
from distil_dag.core.toolset import Toolset


class Finding(BaseModel):
    """The verdict of one gate, with the numbers that it rests on."""

    model_config = ConfigDict(frozen=True)

    gate: GateName
    passed: bool
    message: str
    numbers: dict[str, float] = Field(default_factory=dict)
    rows: list[dict[str, Any]] = Field(default_factory=list, description="what made it fail, a few rows")
    severity: Literal["error", "warn"] = "error"


def check_traces(report: TracesReport, spec: GateSpec) -> list[Finding]:
    """Whether there is enough to distil from, and the log was readable."""
    share = report.quarantined_total / report.read if report.read else 0.0
    reasons = [{"reason": reason, "rows": n} for reason, n in _largest_first(report.quarantined)]
    return _stamp(
        spec,
        Finding(
            gate="enough_traces",
            passed=report.kept >= max(spec.min_traces, 1),
            message=f"{report.kept} traces in the window; {spec.min_traces} needed. "
            "A run key without a window, or with an earlier SINCE, takes more of the log.",
            numbers={"kept": report.kept, "min_traces": spec.min_traces},
        ),
        Finding(
            gate="quarantine_share",
            passed=share <= spec.max_quarantined,
            message=f"{report.quarantined_total} of {report.read} rows could not be read ({share:.1%}; "
            f"{spec.max_quarantined:.1%} allowed). The quarantine table gives the reason of each.",
            numbers={"share": share, "max_quarantined": spec.max_quarantined},
            rows=reasons,
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
    return _stamp(
        spec,
        Finding(
            gate="enough_seeds",
            passed=report.seeds >= max(spec.min_seeds, 1),
            message=f"{report.seeds} seeds; {spec.min_seeds} needed. "
            "More traces, a lower judge.min_score or judge.relabel bring more.",
            numbers={"seeds": report.seeds, "min_seeds": spec.min_seeds},
        ),
        Finding(
            gate="seed_yield",
            passed=report.seed_yield >= spec.min_seed_yield,
            message=f"{report.seed_yield:.1%} of {report.judged} judged traces passed; "
            f"{spec.min_seed_yield:.1%} expected. Fewer point at a judge or a log that is broken.",
            numbers={"yield": report.seed_yield, "min_seed_yield": spec.min_seed_yield},
            rows=[{"reason": reason, "rows": n} for reason, n in _largest_first(report.reasons)],
        ),
        Finding(
            gate="verdicts_readable",
            passed=unjudged <= spec.max_unjudged,
            message=f"{report.unjudged} of {report.judged} verdicts could not be read ({unjudged:.1%}; "
            f"{spec.max_unjudged:.1%} allowed).",
            numbers={"share": unjudged, "max_unjudged": spec.max_unjudged},
        ),
        _leak_finding("seeds_leak_free", leaks, len(labelled) + len(unlabelled), test, spec),
        _calibration_finding(report, spec),
    )


def _calibration_finding(report: JudgeReport, spec: GateSpec) -> Finding:
    found = report.faults_found or {}
    return Finding(
        gate="judge_agrees",
        # A judge that nobody has checked is not known to agree; a threshold of 0 asks for nothing.
        passed=found.get("kappa", -1.0) >= spec.min_judge_kappa or spec.min_judge_kappa == 0,
        message=f"{report.calibration} A kappa of {spec.min_judge_kappa:.2f} is needed.",
        numbers={**found, "min_judge_kappa": spec.min_judge_kappa},
        # Labels are the user's to write: that there are none yet stops no run.
        severity="error" if found else "warn",
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
    return _stamp(
        spec,
        Finding(
            gate="calls_valid",
            passed=validity >= spec.min_synthetic_validity if rows else not wanted,
            message=f"{len(rows) - len(broken)} of {len(rows)} rows hold calls that the tools allow"
            f" ({validity:.1%}; {spec.min_synthetic_validity:.1%} needed).",
            numbers={"validity": validity, "rows": len(rows), "broken": len(broken)},
            rows=broken[:20],
        ),
        Finding(
            gate="cells_covered",
            passed=coverage >= spec.min_cell_coverage,
            message=f"{coverage:.1%} of the plan's cells hold at least half of their quota; "
            f"{spec.min_cell_coverage:.1%} needed. Synthesis stopped because: {report.stopped}.",
            numbers={"coverage": coverage, "min_cell_coverage": spec.min_cell_coverage},
            rows=[{"cell": c.cell, "quota": c.quota, "accepted": c.accepted} for c in short][:20],
        ),
        _leak_finding(
            "synthetic_leak_free",
            find_leaks(test, rows, toolset, spec.leak_similarity, normaliser),
            len(rows),
            test,
            spec,
        ),
    )


def check_training(report: TrainReport, spec: GateSpec) -> list[Finding]:
    """Whether the right tokens were supervised, and the model learned from them."""
    losses = [loss for _, loss in report.loss]
    finite = bool(losses) and all(math.isfinite(loss) for loss in losses)
    drop = _loss_drop(losses) if finite else 0.0
    truncated = report.truncated / report.rows if report.rows else 0.0
    # A student that is trained on has learned most of it before.
    needed = 0.0 if report.continues else spec.min_loss_drop
    curve = f"from {losses[0]:.3g} to {losses[-1]:.3g}" if finite else "is not finite, or was never logged"
    return _stamp(
        spec,
        Finding(
            gate="loss_fell",
            passed=finite and drop >= needed,
            message=f"The loss {curve}: a drop of {drop:.1%}; {needed:.1%} needed. "
            "Otherwise look at the learning rate and at the mask audit.",
            numbers={"drop": drop, "min_loss_drop": needed},
        ),
        Finding(
            gate="rows_complete",
            passed=truncated <= spec.max_truncated,
            message=f"{report.truncated} of {report.rows} rows were cut at training.max_length "
            f"({truncated:.1%}; {spec.max_truncated:.1%} allowed).",
            numbers={"share": truncated, "max_truncated": spec.max_truncated},
        ),
        Finding(
            gate="rows_supervised",
            passed=report.rows > 0 and report.unsupervised_rows == 0 and report.supervised_tokens > 0,
            message=f"{report.unsupervised_rows} of {report.rows} rows have no supervised token; none may.",
            numbers={"unsupervised": report.unsupervised_rows, "supervised_tokens": report.supervised_tokens},
        ),
        Finding(
            gate="stop_token_trained",
            passed=report.stop_token_trained,
            message="The end of the turn is supervised."
            if report.stop_token_trained
            else "The end of the turn is not supervised: this model would never stop.",
        ),
    )


def check_export(report: GgufReport, spec: GateSpec) -> list[Finding]:
    """Whether the exported files tokenize, prompt and answer as the checkpoint does.

    Answers are compared in the f16 file, which only conversion can have changed, and in the primary file,
    which ships. What coarser formats cost is measured on the test, by `eval_report`.
    """
    answering = [file for file in report.files if file.format == "f16" or file.path == report.primary]
    table = [
        {
            "format": file.format,
            "agreement": file.agreement,
            "probes": file.probes,
            "tokens equal": file.tokens_equal,
            "template equal": file.template_equal,
        }
        for file in report.files
    ]
    bad = [
        file.format
        for file in report.files
        if not (file.tokens_equal and file.template_equal and file.probes)
        or (file in answering and file.agreement < spec.min_parity)
    ]
    lowest = min((file.agreement for file in answering), default=0.0)
    return _stamp(
        spec,
        Finding(
            gate="gguf_parity",
            passed=bool(report.files) and not bad,
            message=f"Differs from its checkpoint: {', '.join(bad)}. "
            f"Token ids and template must be equal in each file, {spec.min_parity:.1%} of greedy answers "
            "the same in f16 and in the primary one."
            if bad
            else f"{len(report.files)} files read like their checkpoint; f16 and {report.primary} "
            f"answer like it ({lowest:.1%} at least).",
            numbers={"lowest_agreement": lowest, "min_parity": spec.min_parity},
            rows=table,
        ),
    )


def check_student(report: EvalReport, spec: GateSpec, base: str, lookup: str) -> list[Finding]:
    """Whether the student beats its own base and a lookup of the nearest trace, beyond chance.

    Args:
        report: the evaluation.
        spec: the thresholds.
        base: name of the candidate that is the untrained base.
        lookup: name of the candidate that looks up the nearest trace.
    """
    return _stamp(
        spec,
        _paired_finding("beats_base", report, base, "the model that it was trained from"),
        _paired_finding("beats_lookup", report, lookup, "a lookup of the nearest trace"),
    )


def _paired_finding(gate: GateName, report: EvalReport, other: str, what: str) -> Finding:
    try:
        comparison = report.against(report.student, other)
    except KeyError:
        return Finding(
            gate=gate, passed=False, message=f"{report.student!r} was not compared with {other!r}, {what}."
        )
    gap = comparison.difference
    return Finding(
        gate=gate,
        passed=gap.low > 0,
        message=f"{report.student} minus {other} ({what}): {gap.value:+.1%}, interval {gap.low:+.1%} to "
        f"{gap.high:+.1%} on {report.n} cases; its lower end must be above zero. This test could have "
        f"shown a difference of {comparison.minimum_detectable:.1%}. Test labels: {report.test_labels}.",
        numbers={"difference": gap.value, "low": gap.low, "high": gap.high, "n": report.n},
    )


def _leak_finding(
    gate: GateName, leaks: Sequence[Leak], scanned: int, test: Sequence[Case], spec: GateSpec
) -> Finding:
    return Finding(
        gate=gate,
        passed=bool(test) and len(leaks) <= spec.max_leaks,
        message=f"{len(leaks)} of {scanned} rows repeat one of {len(test)} test requests "
        f"({spec.max_leaks} allowed): the same normalised words, or the same call in words at least "
        f"{spec.leak_similarity:.0%} alike."
        if test
        else "The test is empty: nothing that follows could be measured. It is drawn from traces without "
        "problems, and without placeholders of personal data where no text may be; or write a `test.jsonl`.",
        numbers={"leaks": len(leaks), "scanned": scanned, "test": len(test)},
        rows=[leak.model_dump() for leak in leaks[:20]],
    )


def _stamp(spec: GateSpec, *findings: Finding) -> list[Finding]:
    return [
        finding.model_copy(update={"severity": "warn"}) if finding.gate in spec.soft else finding
        for finding in findings
    ]


def _loss_drop(losses: Sequence[float]) -> float:
    """Relative drop from the first to the mean of the last tenth: single steps are noisy."""
    tail = losses[-max(1, len(losses) // 10) :]
    return 1 - (sum(tail) / len(tail)) / losses[0] if losses[0] > 0 else 0.0


def _largest_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

"""The gate of production's system prompts: whether the student reads what its answers depend on."""

from __future__ import annotations

from distil_dag.core.gates.finding import Finding, at_least, stamped
from distil_dag.core.reports.intake import ContextReport, ContextValues
from distil_dag.core.settings import GateSpec, TrainingSpec

# Fewer such values may stand in a prompt by chance.
_FEWEST = 5


def check_context(report: ContextReport | None, spec: GateSpec, training: TrainingSpec) -> list[Finding]:
    """Whether values of labels stand only where the student never looks, and whether rows stay whole.

    It only warns: the label of a value that nobody sees may be a habit that can be learned.

    Args:
        report: what intake found of system prompts; None for a log without them.
        spec: the thresholds.
        training: its longest row is the limit of a context.
    """
    if report is None:
        return stamped(spec, _passed("The log has no system prompts."))
    if report.keeps == "nothing":
        return stamped(spec, _switched_off(report, spec))
    longest, limit = report.kept_tokens, training.max_length
    if longest < limit:
        told = "All" if report.keeps == "all" else "What varies"
        return stamped(spec, _passed(f"{told} of the system prompts is read, about {longest} tokens."))
    return stamped(
        spec,
        Finding(
            gate="context_kept",
            passed=False,
            message=f"One in twenty requests has a context of about {longest} tokens or more, and rows are "
            f"cut at {limit}: such a row loses its answer.",
            figure=f"{longest} tokens",
            threshold=f"below {limit}",
            numbers={"kept_tokens": longest, "max_length": limit},
            severity="warn",
            mends=(
                "A higher `training.max_length` keeps rows whole; `student.context: none` leaves the "
                "context out.",
            ),
        ),
    )


def _switched_off(report: ContextReport, spec: GateSpec) -> Finding:
    lost = [
        row for row in report.values if row.only_in_context >= _FEWEST and row.share > spec.max_context_lost
    ]
    if not lost:
        return _passed("No argument's values stand only in what varies of the system prompts.")
    worst = lost[0]
    named = ", ".join(f"{row.tool}.{row.argument} {row.share:.1%}" for row in lost[:3])
    return Finding(
        gate="context_kept",
        passed=False,
        message="The student reads nothing of production's system prompts (`student.context: none`), though "
        f"values stand only there: {named} ({spec.max_context_lost:.1%} of an argument's values allowed).",
        figure=f"{worst.share:.1%}",
        threshold=f"{spec.max_context_lost:.1%} or less",
        numbers={"share": worst.share, "max_context_lost": spec.max_context_lost},
        rows=[_row(row) for row in lost[:20]],
        severity="warn",
        mends=(
            f"`student.context: auto` lets it read what varies, about {report.mean_tokens:.0f} tokens a "
            "request.",
        ),
        settings={"max_context_lost": at_least(worst.share)},
    )


def _row(row: ContextValues) -> dict[str, object]:
    return {**row.model_dump(), "share": row.share}


def _passed(message: str) -> Finding:
    return Finding(gate="context_kept", passed=True, message=message)

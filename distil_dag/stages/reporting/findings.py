"""What each part of the report found, in a sentence: it stands beside the part's heading."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.core.reports.cells import CellsReport
from distil_dag.core.reports.evaluation import CandidateReport, Comparison, EvalReport
from distil_dag.core.reports.evidence import (
    ConfidenceReport,
    LabelNoiseReport,
    LeakageReport,
    RuntimeReport,
)
from distil_dag.stages.evaluating.candidate import (
    BASE,
    CHECKPOINT,
    LOOKUP,
    PARENT,
    PRODUCTION,
    TEACHER,
    TEACHER_FEW_SHOT,
    VLLM,
    decoder_name,
)
from distil_dag.stages.reporting.markdown import points, share

_ROLES = {
    CHECKPOINT: "the trained weights, before any file",
    VLLM: "the trained weights behind a vLLM server",
    PARENT: "the student that this run continues",
    BASE: "the student's weights before training",
    TEACHER: "the model that wrote the training rows, told the tools",
    TEACHER_FEW_SHOT: "the same, shown examples too",
    PRODUCTION: "the agent that answers today, as logged",
    LOOKUP: "the logged answer to the most similar request",
}


def role(name: str, student: str) -> str:
    """Who a candidate is, in words.

    Args:
        name: name of the candidate.
        student: name of the candidate that ships.

    Returns:
        Empty for a candidate of another kind.
    """
    if name == student:
        return "the file that ships"
    if name == decoder_name(student):
        return "the file that ships, held to valid calls"
    return _ROLES.get(name, "the same weights in another file" if name.startswith("student") else "")


def differences(rows: Sequence[Comparison]) -> str:
    """How many of the others the student is better than, and worse than."""
    better = sum(row.difference.low > 0 for row in rows)
    worse = sum(row.difference.high < 0 for row in rows)
    return (
        f"better than {better} of {len(rows)} others, worse than {worse}, no clear difference from the rest"
    )


def quantisation(rows: Sequence[Comparison]) -> str:
    """What each file loses or gains against the checkpoint."""
    gaps = (f"{row.first.removeprefix('student ')} {points(row.difference.value)}" for row in rows)
    return f"points against the trained weights: {', '.join(gaps)}"


def runtimes(rows: Sequence[RuntimeReport]) -> str:
    """Whether prompts are the same everywhere, and how many answers are at least."""
    others = sum(row.prompts - row.same_prompts for row in rows)
    prompts = f"{others} prompts are read otherwise" if others else "every prompt is read alike"
    alike = min((row.same_calls.value for row in rows[1:]), default=1.0)
    return f"{prompts}; at least {100 * alike:.1f} % of answers make the same calls"


def cells(found: CellsReport) -> str:
    """How many cells are weak."""
    return f"{len(found.weak)} of {len(found.cells)} are weak"


def confidence(found: ConfidenceReport) -> str:
    """What the threshold keeps, or that there is none."""
    if found.kept is None or found.precision is None:
        return "not calibrated, so there is no threshold"
    return f"{share(found.kept)} of answers are kept, {share(found.precision)} of those are right"


def leakage(found: LeakageReport) -> str:
    """How many rows that were trained on are copies of the test."""
    copies = sum(row.same_words + row.same_call for row in found.tables if row.trained_on)
    return f"{copies} rows trained on are copies of a test case" if copies else "no row trained on is a copy"


def tools(student: CandidateReport) -> str:
    """The tool with the lowest exact match."""
    met = {name: row for name, row in student.per_tool.items() if row["n"]}
    if not met:
        return ""
    name, row = min(met.items(), key=lambda item: item[1]["value"])
    return f"lowest: {name}, {100 * row['value']:.1f} % of {row['n']}"


def arguments(student: CandidateReport) -> str:
    """The argument with the most mistakes."""

    def wrong(name: str) -> int:
        row = student.per_argument[name]
        return int(row["missing"] + row["wrong_value"] + row["extra"])

    most = max(student.per_argument, key=wrong)
    return f"most mistakes: {most}, {wrong(most)}" if wrong(most) else "no mistake"


def conventions(found: LabelNoiseReport) -> str:
    """How many kinds of difference meet a convention on which the log is split."""
    split = sum(row.convention for row in found.disagreements)
    return f"{split} of {len(found.disagreements)} kinds of difference: the log itself is split"


def candidates(report: EvalReport) -> str:
    """How many took the test."""
    return f"{len(report.candidates)} took the same {report.n} cases"

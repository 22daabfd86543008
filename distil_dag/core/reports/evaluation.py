"""How all candidates did on the test."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from distil_dag.core.reports.base import Estimate, Report
from distil_dag.core.reports.cells import CellsReport
from distil_dag.core.reports.evidence import ConfidenceReport, LabelNoiseReport, LeakageReport, RuntimeReport
from distil_dag.core.reports.provenance import Provenance


class CandidateReport(Report):
    """One candidate on the frozen test."""

    name: str
    model: str
    n: int
    metrics: dict[str, Estimate]
    latency_ms: dict[str, float] = Field(default_factory=dict, description="p50, p95 of one answer alone")
    bytes: int = 0
    unanswered: int = Field(default=0, description="answers that never came; they count as wrong")
    unreadable: dict[str, int] = Field(
        default_factory=dict,
        description="answers with a call that could not be read, by its form; they count as wrong",
    )
    tokens: dict[str, float] = Field(
        default_factory=dict, description="`prompt` and `completion` of one request, where known"
    )
    per_tool: dict[str, dict[str, Any]] = Field(default_factory=dict)
    per_argument: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Comparison(Report):
    """A paired difference of exact matches: first minus second."""

    first: str
    second: str
    difference: Estimate
    bootstrap: Estimate | None = Field(
        default=None, description="the difference with its paired bootstrap interval"
    )
    minimum_detectable: float = Field(description="smallest true difference shown with 80 % power")
    n: int = Field(default=0, description="cases that both answered")
    first_only: int = Field(default=0, description="cases that only the first got right")
    second_only: int = Field(default=0, description="cases that only the second got right")
    p_value: float = Field(default=1.0, description="McNemar's exact test of no difference")


class EvalReport(Report):
    """All candidates on the frozen test, compared."""

    n: int
    test_labels: str
    student: str = Field(description="name of the candidate that ships")
    candidates: list[CandidateReport]
    comparisons: list[Comparison]
    quantisation: list[Comparison] = Field(
        default_factory=list, description="each exported file minus the checkpoint that it was made from"
    )
    runtimes: list[RuntimeReport] = Field(
        default_factory=list, description="the same weights by each software that may serve them"
    )
    leakage: LeakageReport | None = None
    conventions: LabelNoiseReport | None = None
    confidence: ConfidenceReport | None = None
    cells: CellsReport | None = None
    continues: str = Field(default="", description="key of the run whose student this one continues")
    failures: list[dict[str, Any]] = Field(default_factory=list)
    measured: dict[str, str] = Field(default_factory=dict, description="how: what a reader must know")
    command: str = Field(default="", description="what a reader types to score the student again")
    report_html: str = ""
    evaluated: str = Field(default="", description="when, UTC, ISO 8601")
    provenance: Provenance | None = Field(default=None, description="what the student was made from")

    def candidate(self, name: str) -> CandidateReport:
        """The report of one candidate.

        Raises:
            KeyError: when it was not evaluated.
        """
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        raise KeyError(name)

    def against(self, first: str, second: str) -> Comparison:
        """The paired difference of two candidates.

        Raises:
            KeyError: when it was not computed.
        """
        for comparison in self.comparisons:
            if (comparison.first, comparison.second) == (first, second):
                return comparison
        raise KeyError((first, second))

"""How good an exported model is, with the content hashes of the files that were measured.

It lies as `evaluation.json` beside the files of a model, so that a copied folder carries its scores.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from distil_dag.core.reports.base import Estimate, Report


class GateVerdict(Report):
    """What a gate said of the run.

    Attributes:
        asset: the asset that it guards.
        severity: whether a failure stops the run (`error`) or only warns.
    """

    gate: str
    asset: str
    passed: bool
    severity: Literal["error", "warn"] = "error"
    message: str = ""

    @property
    def stops(self) -> bool:
        """Whether a run ends here."""
        return not self.passed and self.severity == "error"


class CandidateScore(Report):
    """The score of one candidate on the test.

    Attributes:
        model: its identity.
        exact: share of requests that are answered exactly right.
        n: number of requests that it was asked.
    """

    name: str
    model: str
    exact: Estimate
    n: int
    latency_ms: dict[str, float] = Field(default_factory=dict, description="p50, p95 of one answer alone")
    lead: Estimate | None = Field(default=None, description="the student's paired lead over it")


class EvaluatedFile(Report):
    """A file that was measured, and the candidate that it is."""

    path: str
    sha256: str
    candidate: str


class ModelEvaluation(Report):
    """The scores of a run's files, beside everything they were compared with.

    Attributes:
        run: key of the run.
        n: number of test requests.
    """

    run: str
    evaluated: str = Field(default="", description="when, UTC")
    n: int
    test_labels: str = Field(description="what is known of the labels of the test")
    confidence: float = Field(default=0.95, description="of the intervals")
    student: str = Field(description="name of the candidate that ships")
    candidates: list[CandidateScore]
    files: list[EvaluatedFile]
    gates: list[GateVerdict] = Field(default_factory=list)

    def score(self, name: str) -> CandidateScore | None:
        """The score of the candidate with this name."""
        return next((candidate for candidate in self.candidates if candidate.name == name), None)

    def measured(self, sha256: str) -> CandidateScore | None:
        """The score of the file with this content hash; None if it was not measured."""
        named = (file.candidate for file in self.files if file.sha256 == sha256)
        return self.score(next(named, ""))

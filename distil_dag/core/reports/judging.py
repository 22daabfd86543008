"""How the log was split and judged."""

from __future__ import annotations

from pydantic import Field

from distil_dag.core.reports.base import Report


class HoldoutReport(Report):
    """The split that comes first: test cases, rows that left with them, what remains."""

    test: int
    removed_near_copies: int
    remaining: int
    test_labels: str = Field(description="`frozen file` or `production log (unreviewed)`")


class Rename(Report):
    """A name of an older schema in the log, and the one it was read as."""

    was: str = Field(description="a tool, or `tool(argument)` under the tool's name of today")
    now: str
    traces: int = Field(description="whose calls were read so")
    agreement: float = Field(ge=0, le=1, description="share of the calls with the name that speak for it")


class EvidenceReport(Report):
    """What it took to have rows that prove what a student can do, from beyond the sample."""

    judged: int = Field(description="logged calls that the judge saw for this alone")
    kept: int = Field(description="of them, those that it is sure are right")
    seconds: float = Field(description="their part of the judge's time")


class JudgeReport(Report):
    """Judging: how many traces, how their verdicts fell, how far the judge agrees with labels and itself."""

    kind: str
    judge: str = Field(description="identity of the judging model")
    judged: int
    seeds: int
    passed_context: int = Field(description="passed, but beyond the number of seeds")
    set_aside: int = Field(default=0, description="passed, and kept to calibrate the student's confidence")
    evidence: EvidenceReport | None = Field(
        default=None, description="rows from beyond the sample, which are set aside in place of passed ones"
    )
    rejected: int
    unjudged: int = Field(default=0, description="verdicts that could not be read")
    relabelled: int = 0
    min_score: float = 0.5
    score_histogram: list[int] = Field(default_factory=list, description="ten bins from 0 to 1")
    reasons: dict[str, int] = Field(default_factory=dict)
    holdout: HoldoutReport
    renames: list[Rename] = Field(default_factory=list, description="names of an older schema, undone")
    committee: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="labeller -> what came of its answers -> how often"
    )
    arbiter: str = Field(default="", description="identity of who picked among proposals, if any were made")
    faults_found: dict[str, float] | None = Field(
        default=None, description="agreement, kappa, precision, recall, auc against labels, where there are"
    )
    consistency: dict[str, float] | None = Field(
        default=None, description="agreement of the judge with itself, on traces that it judged twice"
    )
    reasked: str = Field(default="", description="how those were judged the second time")
    prompts: dict[str, str] = Field(default_factory=dict, description="prompt -> hash of its file")

    @property
    def calibration(self) -> str:
        """How far the judge agrees with people and with itself, in words."""
        own = "" if self.consistency is None else (
            f" With itself, {self.reasked}, it agrees on {self.consistency['agreement']:.1%} of "
            f"{self.consistency['n']:.0f} traces ({self.consistency['agreement_low']:.1%} to "
            f"{self.consistency['agreement_high']:.1%})."
        )  # fmt: skip
        if self.faults_found is None:
            return (
                "The judge is uncalibrated: no labels of right and of wrong calls among what it judged. To "
                "calibrate it, say for each row of to_label.jsonl, beside the run's judged_seeds, whether "
                f"its calls are right, and save that as labels.jsonl in the task's folder.{own}"
            )
        found = self.faults_found
        return (
            f"The judge agrees with {found['n']:.0f} labels on {found['agreement']:.1%}, kappa "
            f"{found['kappa']:.2f} ({found['kappa_low']:.2f} to {found['kappa_high']:.2f}). It finds "
            f"{found['recall']:.1%} of the wrong calls, {found['precision']:.1%} of those it rejects are "
            f"wrong, and {found['purity']:.1%} of those it passes are right.{own}"
        )

    @property
    def seed_yield(self) -> float:
        """Share of the judged traces that passed, 0 without any."""
        passed = self.seeds + self.passed_context + self.set_aside
        return passed / self.judged if self.judged else 0.0

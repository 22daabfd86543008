"""What each stage says about its work: read by gates, shown as metadata, kept with the run."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from distil_dag.core.cells import CellsReport
from distil_dag.core.confidence import Confidence
from distil_dag.core.estimate import Estimate, Report
from distil_dag.core.evidence import ConfidenceReport, LabelNoiseReport, LeakageReport, RuntimeReport


class TracesReport(Report):
    """Intake: rows read, kept, marked (kept with a problem), quarantined by reason."""

    read: int
    kept: int
    marked: int = 0
    passed_over: int = Field(default=0, description="rows that choose no tool: text after a tool's result")
    quarantined: dict[str, int] = Field(default_factory=dict)
    redacted: dict[str, int] = Field(default_factory=dict, description="kind of personal data -> hits")
    calls_per_tool: dict[str, int] = Field(default_factory=dict)

    @property
    def quarantined_total(self) -> int:
        """Number of rows that were quarantined, for whatever reason."""
        return sum(self.quarantined.values())


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


class JudgeReport(Report):
    """Judging: how many traces, how their verdicts fell, how far the judge agrees with labels and itself."""

    kind: str
    judge: str = Field(description="identity of the judging model")
    judged: int
    seeds: int
    passed_context: int = Field(description="passed, but beyond the number of seeds")
    set_aside: int = Field(default=0, description="passed, and kept to calibrate the student's confidence")
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


class CellCoverage(Report):
    """One cell of the coverage plan: a tool with an argument pattern.

    Attributes:
        cell: its name.
        quota: rows that the plan wants.
        accepted: rows that passed all filters.
    """

    cell: str
    tool: str
    arguments: list[str]
    quota: int
    accepted: int
    weak: bool = Field(default=False, description="whether the student that is continued is weak here")


class SynthesisReport(Report):
    """Synthesis: how many rows were kept of those attempted, and the coverage that they reached."""

    teacher: str
    attempted: int
    accepted: int
    rejected: dict[str, int] = Field(default_factory=dict, description="reason -> rows")
    cells: list[CellCoverage] = Field(default_factory=list)
    by_value: list[tuple[str, str]] = Field(
        default_factory=list, description="tools and arguments that split cells by their value"
    )
    rounds: int = 0
    stopped: str = Field(default="full", description="`full`, or what ended it before")
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    prompts: dict[str, str] = Field(default_factory=dict, description="prompt -> hash of its file")

    @property
    def coverage(self) -> float:
        """Share of the plan's cells that hold at least half of their quota."""
        wanted = [cell for cell in self.cells if cell.quota]
        return sum(2 * cell.accepted >= cell.quota for cell in wanted) / len(wanted) if wanted else 0.0


class Depth(Report):
    """Which transformer blocks of its base a shallower student kept.

    Attributes:
        kept: their places in the base, counted from 0.
    """

    kept: list[int]
    influence: list[float] = Field(description="of each of the base's blocks: 1 - cosine of out and in")


class TrainReport(Report):
    """Training: what was supervised, and how the loss went."""

    base: str
    continues: str = Field(default="", description="key of the run whose student training started from")
    method: str
    depth: Depth | None = Field(default=None, description="None where all blocks of the base stayed")
    rows: int
    rows_by_origin: dict[str, int] = Field(default_factory=dict)
    steps: int
    epochs: float
    tokens: int = Field(description="tokens in all rows, once")
    tokens_seen: int = Field(default=0, description="tokens in all rows, as often as each was seen")
    supervised_tokens: int
    truncated: int
    unsupervised_rows: int = Field(description="rows without one supervised token")
    stop_token_trained: bool
    loss: list[tuple[int, float]] = Field(description="(step, training loss)")
    resumed_from_step: int = 0
    seconds: float = 0.0
    audit: list[dict[str, str]] = Field(
        default_factory=list, description="a few rows: `prompt`, and `supervised` as decoded from the mask"
    )
    dataset_digest: str = ""


class GgufFile(Report):
    """One exported file and how far it agrees with the checkpoint."""

    format: str
    path: str
    sha256: str
    bytes: int
    tokens_equal: bool = Field(description="same token ids as the checkpoint's tokenizer on the golden texts")
    template_equal: bool
    agreement: float = Field(description="share of probes whose greedy answer is the checkpoint's")
    probes: int


class GgufReport(Report):
    """Export: every file with its parity."""

    files: list[GgufFile]
    modelfile: str
    model_card: str
    lineage: str
    primary: str
    confidence: Confidence | None = Field(
        default=None, description="of the primary file, which carries it in its key-values"
    )
    confidence_missing: str = Field(default="", description="why there is none")
    set_aside: dict[str, bool] = Field(
        default_factory=dict, description="case that was set aside -> whether the primary file has it exact"
    )


class CandidateReport(Report):
    """One candidate on the frozen test."""

    name: str
    model: str
    n: int
    metrics: dict[str, Estimate]
    latency_ms: dict[str, float] = Field(default_factory=dict, description="p50, p95 of one answer alone")
    bytes: int = 0
    unanswered: int = Field(default=0, description="answers that never came; they count as wrong")
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

"""What an evaluation reports beside its scores: runtimes, leaks, conventions, confidence."""

from __future__ import annotations

from pydantic import Field

from distil_dag.core.reports.base import Estimate, Report


class OtherPrompt(Report):
    """A test prompt whose token ids differ from the checkpoint's, around the first difference."""

    case: str
    request: str
    start: int = Field(description="place of the first id shown")
    reference: list[int] = Field(description="the checkpoint was asked with; a few")
    runtime: list[int] = Field(description="in their place; none where the runtime refused the conversation")


class RuntimeReport(Report):
    """The student in one runtime, compared with the checkpoint in transformers on the same cases."""

    candidate: str
    software: str = Field(description="names and versions; a server's as it says them itself")
    n: int
    prompts: int = Field(description="cases that the checkpoint was asked")
    same_prompts: int = Field(description="of which the runtime reads the same token ids")
    other_prompt: OtherPrompt | None = Field(default=None, description="the first that differs")
    exact: Estimate
    difference: Estimate = Field(description="of exact matches, paired: the runtime minus the checkpoint")
    same_calls: Estimate = Field(
        description="share of answers with the checkpoint's calls, in canonical form"
    )
    same_text: Estimate = Field(description="share of answers that are the checkpoint's to the letter")
    p50_ms: float | None = Field(default=None, description="of one answer alone, where timed")


class RowsNearTest(Report):
    """How near a table of rows comes to the test."""

    table: str
    rows: int
    trained_on: bool
    same_words: int = Field(description="rows with the normalised request of a test case; none may be")
    same_call: int = Field(description="further rows that the leak gate counts: similar words, same call")
    nearest: dict[str, float] = Field(
        description="`p50`, `p90`, `max` over the test: similarity to the nearest row, whatever it calls"
    )


class SimilarityBand(Report):
    """Test cases by the similarity of the nearest row that was trained on: from `low` to below `high`."""

    low: float
    high: float
    n: int
    exact: Estimate = Field(description="of the student that ships, on these cases")


class LeakageReport(Report):
    """Whether the test was seen in training, and whether the score rests on near copies."""

    similarity: float = Field(description="from which the gate takes a row with the same call for a copy")
    tables: list[RowsNearTest]
    bands: list[SimilarityBand]


class Disagreement(Report):
    """One kind of difference between the student and the labels of the test, over all its failures.

    Attributes:
        log_as_label: logged rows with the same words whose labels treat them as the test does.
        log_otherwise: logged rows with the same words whose labels treat them as the student does.
    """

    kind: str
    tool: str
    argument: str = ""
    cases: list[str] = Field(description="ids")
    examples: list[str] = Field(description="expected and given, a few")
    others: dict[str, int] = Field(
        default_factory=dict, description="candidate -> how many of these cases it answers in the same way"
    )
    log_as_label: int = 0
    log_otherwise: int = 0
    convention: bool = Field(default=False, description="seen in several cases, and the log is split on it")


class LabelNoiseReport(Report):
    """Where student and labels disagree systematically, and what the score is without it."""

    log_rows: int
    disagreements: list[Disagreement]
    set_aside: int = Field(description="failures that differ from their label by conventions alone")
    exact: Estimate = Field(description="of the student without those cases; never the result")


class CoveragePoint(Report):
    """The score on the answers with the highest probabilities.

    Attributes:
        coverage: their share of all answers.
        n: their number.
        exact: share of them that are exactly right.
    """

    coverage: float
    n: int
    exact: Estimate


class MoreCoverage(Report):
    """What it would take to guarantee more.

    Attributes:
        coverage: share of requests.
        rate: share of right answers among that share of today's rows, the surest.
        rows: further rows that would prove it at that rate; None if it never would.
    """

    coverage: float
    rate: float
    rows: int | None


class Guarantee(Report):
    """What share of requests is answered right as often as wanted, with a confidence, by calibration rows.

    Attributes:
        target: the wanted share of right answers.
        confidence: of the guarantee.
        rows: that it rests on; it holds for requests like these.
        kept: of them at the threshold or above.
        right: of those.
        threshold: least natural log of an answer's probability; None where nothing is guaranteed.
        coverage: share of requests, guaranteed.
        point_coverage: the same without a guarantee, where the share of right rows just reaches the target.
        more: what each further ten points of coverage would take.
    """

    target: float
    confidence: float
    rows: int
    kept: int
    right: int
    threshold: float | None
    coverage: float
    point_coverage: float
    more: list[MoreCoverage] = Field(default_factory=list)


class ConfidenceReport(Report):
    """How far a candidate's probabilities tell right answers from wrong ones.

    `kept`, `precision`, `calibration_error` and the costs are None where nothing was calibrated. `auroc` is
    None where all answers are right or all are wrong.
    """

    candidate: str
    n: int
    auroc: Estimate | None = Field(description="chance that a right answer has more than a wrong one")
    curve: list[CoveragePoint]
    calibration_error: float | None = Field(default=None, description="expected, over ten equal bins")
    calibration_error_by_chance: float | None = Field(
        default=None, description="that perfect probabilities exceed in one test of this size out of twenty"
    )
    target_precision: float | None = None
    calibrated_on: int = Field(default=0, description="cases that nobody learned from, none of the test")
    kept: Estimate | None = Field(default=None, description="share of the test at the threshold or above")
    precision: Estimate | None = Field(default=None, description="right ones among them")
    teacher_exact: Estimate | None = Field(
        default=None, description="right answers when the teacher answers what is below the threshold"
    )
    teacher_cost: float | None = Field(default=None, description="of 1,000 requests to the teacher")
    blended_cost: float | None = Field(
        default=None, description="of 1,000 requests, those below to the teacher"
    )
    guarantee: Guarantee | None = Field(
        default=None, description="what the rows of the calibration prove; None in reports of before"
    )

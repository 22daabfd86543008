"""Selective prediction: how often an answer is confident, how often it is right then, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distil_dag.core.confidence import Confidence
from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.evidence import ConfidenceReport, CoveragePoint, Guarantee
from distil_dag.core.settings import EvaluationSpec, PriceSpec
from distil_dag.core.spending import cost
from distil_dag.stages.statistics import Floats, area_interval, auroc, wilson

_BINS = 10
_BY_CHANCE = 0.95
_COVERAGES = tuple(part / 20 for part in range(1, 21))


@dataclass(frozen=True)
class Sure:
    """One answer that has a probability.

    Attributes:
        score: what ranks the answer: natural log of its probability, or what a student makes of it.
        right: whether the answer is right.
        confidence: the probability that it is right, by calibration.
        confident: whether that is enough for the target precision.
        teacher_right: whether the teacher's answer to the case is right; None where it gave none.
    """

    score: float
    right: bool
    confidence: float | None = None
    confident: bool | None = None
    teacher_right: bool | None = None


@dataclass(frozen=True)
class Price:
    """What a request costs at the teacher.

    Attributes:
        spec: the teacher's price.
        prompt_tokens: mean tokens of a prompt.
        completion_tokens: mean tokens of an answer.
    """

    spec: PriceSpec
    prompt_tokens: float
    completion_tokens: float

    @property
    def thousand(self) -> float | None:
        """Cost of 1,000 requests; None where tokens have no price, as on a machine paid by the hour."""
        tokens = (1000 * self.prompt_tokens, 1000 * self.completion_tokens)
        return cost(self.spec, *tokens, 0.0) or None


def confidence_report(
    candidate: str,
    answers: Sequence[Sure],
    spec: EvaluationSpec,
    known: Confidence | None = None,
    price: Price | None = None,
    guarantee: Guarantee | None = None,
) -> ConfidenceReport | None:
    """How far a candidate's probabilities tell right answers from wrong ones.

    Args:
        candidate: its name.
        answers: its answers.
        spec: the settings of the evaluation.
        known: the calibration, fitted on other cases than these.
        price: what a request costs at the teacher.
        guarantee: what other cases than these prove.

    Returns:
        The report; None without answers.
    """
    if not answers:
        return None
    scores = np.array([answer.score for answer in answers])
    right = np.array([answer.right for answer in answers])
    report = ConfidenceReport(
        candidate=candidate,
        n=len(answers),
        auroc=_auroc(scores, right, spec),
        curve=_curve(scores, right, spec),
        guarantee=guarantee,
    )
    if known is None or any(answer.confidence is None for answer in answers):
        return report
    claimed = np.array([answer.confidence for answer in answers], dtype=float)
    kept = np.array([bool(answer.confident) for answer in answers])
    share = wilson(int(kept.sum()), len(kept), spec.confidence)
    teacher = price.thousand if price else None
    return report.model_copy(
        update={
            "calibration_error": _error(claimed, right),
            "calibration_error_by_chance": _error_by_chance(claimed, spec),
            "target_precision": known.target_precision,
            "calibrated_on": known.cases,
            "kept": share,
            "precision": wilson(int(right[kept].sum()), int(kept.sum()), spec.confidence),
            "teacher_exact": _with_teacher(answers, kept, spec),
            "teacher_cost": teacher,
            "blended_cost": None if teacher is None else (1 - share.value) * teacher,
        }
    )


def _auroc(scores: Floats, right: NDArray[np.bool_], spec: EvaluationSpec) -> Estimate | None:
    hits = int(right.sum())
    if not 0 < hits < len(right):
        return None
    return area_interval(auroc(scores, right), hits, len(right) - hits, spec.confidence)


def _curve(scores: Floats, right: NDArray[np.bool_], spec: EvaluationSpec) -> list[CoveragePoint]:
    """The score on the answers with the highest probabilities; equal ones are taken together."""
    ordered = np.sort(scores)[::-1]
    points = []
    for size in sorted({max(1, round(coverage * len(scores))) for coverage in _COVERAGES}):
        taken = right[scores >= ordered[size - 1]]
        exact = wilson(int(taken.sum()), len(taken), spec.confidence)
        points.append(CoveragePoint(coverage=len(taken) / len(right), n=len(taken), exact=exact))
    return list({point.n: point for point in points}.values())


def _error(claimed: Floats, right: NDArray[np.bool_]) -> float:
    """Expected calibration error over bins of equal size, in order of what is claimed.

    Source: M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated probabilities using
    Bayesian binning", AAAI (2015) 2901-2907.
    """
    bins = np.array_split(np.argsort(claimed, kind="stable"), min(_BINS, len(claimed)))
    return float(sum(abs((claimed[rows] - right[rows]).sum()) for rows in bins) / len(claimed))


def _error_by_chance(claimed: Floats, spec: EvaluationSpec) -> float:
    """The error that remains by chance when every probability is true, at its 95th percentile.

    Source: J. Bröcker and L. A. Smith, "Increasing the reliability of reliability diagrams", Weather and
    Forecasting 22 (2007) 651-661 (consistency resampling).
    """
    random = np.random.default_rng(spec.seed)
    errors = [_error(claimed, random.random(len(claimed)) < claimed) for _ in range(spec.bootstrap)]
    return float(np.quantile(errors, _BY_CHANCE))


def _with_teacher(answers: Sequence[Sure], kept: NDArray[np.bool_], spec: EvaluationSpec) -> Estimate | None:
    if any(answer.teacher_right is None for answer in answers):
        return None
    right = [
        answer.right if keep else bool(answer.teacher_right)
        for answer, keep in zip(answers, kept, strict=True)
    ]
    return wilson(sum(right), len(right), spec.confidence)

"""Calibrates a student's probabilities on cases that it has not learned from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distil_dag.adapters.candidates.decoder import DecoderCandidate
from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.core.case import Case
from distil_dag.core.confidence import Confidence
from distil_dag.core.ranking import Ranking
from distil_dag.core.reports.evidence import Guarantee
from distil_dag.core.settings import EvaluationSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.answers import Scored
from distil_dag.stages.evaluating.calibration import calibrated
from distil_dag.stages.evaluating.evaluate import scored_answers
from distil_dag.stages.evaluating.ranking import divided, fitted_ranking
from distil_dag.stages.serving.proving.calibration_rows import ScoredRow
from distil_dag.stages.serving.proving.guarantee import guarantee


@dataclass(frozen=True)
class Measured:
    """What cases that were set aside say of a file's probabilities.

    Attributes:
        confidence: The calibration; None where there is none.
        missing: The reason for that; empty otherwise.
        right: By case id, whether the answer was exact.
        rows: Score of each answer, and whether it is right; minus infinity where it was cut off or failed.
        guarantee: What the rows prove that did not fit the ranking; None without a calibration.
        ranking: What makes scores of probabilities.
    """

    confidence: Confidence | None
    missing: str
    right: dict[str, bool] = field(default_factory=dict)
    rows: list[ScoredRow] = field(default_factory=list)
    guarantee: Guarantee | None = None
    ranking: Ranking | None = None


def measure_confidence(path: Path, cases: Sequence[Case], toolset: Toolset, spec: EvaluationSpec) -> Measured:
    """Calibrate a student's file on cases that were set aside from training.

    A part of the cases fits what ranks the answers. The guarantee rests on the others alone.

    A case that exceeds the file's context counts as wrong, but not for the calibration. The same holds for an
    answer that was cut off.

    Args:
        path: The GGUF file.
        cases: Cases that the student has not learned from.
        toolset: The task's tools.
        spec: Length of an answer and target precision.

    Returns:
        The calibration, what it rests on, and what the cases prove.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is no model.
    """
    if not cases:
        why = "no cases were set aside: judge.set_aside is 0, or too few rows passed the judge for 20 of them"
        return Measured(None, why)
    file = DecoderCandidate(GgufCandidate(path, toolset, spec.max_new_tokens))
    answers = list(scored_answers(file, cases, toolset).values())
    fits, proves = divided(answers)
    ranking = _ranking(fits)
    right = {item.case.id: item.score.exact for item in answers}
    rows = [_row(item, ranking) for item in answers]
    sure = [row for row in rows if math.isfinite(row[0])]
    if not sure:
        unfit = (
            f"none of the {len(cases)} cases that were set aside fits into the student's context, or was "
            f"answered to its end within evaluation.max_new_tokens ({spec.max_new_tokens})"
        )
        return Measured(None, file.note or unfit, right)
    scores, hits = zip(*sure, strict=True)
    return Measured(
        calibrated(scores, hits, spec.target_precision),
        "",
        right,
        rows,
        guarantee([_row(item, ranking) for item in proves], spec.target_precision, spec.confidence),
        ranking,
    )


def _ranking(answers: Sequence[Scored]) -> Ranking:
    known = [
        item for item in answers if item.answered.logprob is not None and item.answered.drafted is not None
    ]
    sure = [item for item in known if math.isfinite(item.answered.logprob or 0.0)]
    return fitted_ranking(
        [item.answered.logprob or 0.0 for item in sure],
        [bool(item.answered.drafted) for item in sure],
        [item.score.exact for item in sure],
    )


def _row(item: Scored, ranking: Ranking) -> ScoredRow:
    logprob = -math.inf if item.answered.logprob is None else item.answered.logprob
    return ranking.score(logprob, bool(item.answered.drafted)), item.score.exact

"""Calibrates a student's probabilities on cases that it has not learned from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from distil_dag.adapters.candidates.decoder import DecoderCandidate
from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.core.case import Case
from distil_dag.core.confidence import Confidence
from distil_dag.core.settings import EvaluationSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.calibration import calibrated
from distil_dag.stages.evaluating.evaluate import scored_answers


def measure_confidence(
    path: Path, cases: Sequence[Case], toolset: Toolset, spec: EvaluationSpec
) -> tuple[Confidence | None, str, dict[str, bool]]:
    """Calibrate a student's file on cases that were set aside from training.

    A case that exceeds the file's context counts as wrong, but not for the calibration. The same holds for an
    answer that was cut off.

    Args:
        path: The GGUF file.
        cases: Cases that the student has not learned from.
        toolset: The task's tools.
        spec: Length of an answer and target precision.

    Returns:
        The calibration or None, the reason where there is none, and by case id whether the answer was exact.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is no model.
    """
    if not cases:
        why = "no cases were set aside: judge.set_aside is 0, or too few rows passed the judge for 20 of them"
        return None, why, {}
    file = DecoderCandidate(GgufCandidate(path, toolset, spec.max_new_tokens))
    answers = scored_answers(file, cases, toolset).values()
    right = {item.case.id: item.score.exact for item in answers}
    sure = [
        (logprob, item.score.exact)
        for item in answers
        if (logprob := item.answered.logprob) is not None and math.isfinite(logprob)
    ]
    if not sure:
        unfit = (
            f"none of the {len(cases)} cases that were set aside fits into the student's context, or was "
            f"answered to its end within evaluation.max_new_tokens ({spec.max_new_tokens})"
        )
        return None, file.note or unfit, right
    logprobs, hits = zip(*sure, strict=True)
    return calibrated(logprobs, hits, spec.target_precision), "", right

"""What a student's probabilities are worth, found out by asking its file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distil_dag.adapters.student import NotDecodable, Student
from distil_dag.core.case import Case
from distil_dag.core.confidence import Confidence
from distil_dag.core.task import EvaluationSpec
from distil_dag.core.tool_call import parse_answer
from distil_dag.core.toolset import Toolset
from distil_dag.stages import metrics
from distil_dag.stages.confidence import calibrated


def measure_confidence(
    path: Path, cases: Sequence[Case], toolset: Toolset, spec: EvaluationSpec
) -> tuple[Confidence | None, str]:
    """The calibration of a student's file on cases that it has not learned from, or why there is none.

    Raises FileNotFoundError or ValueError for a file that is no model.
    """
    if not cases:
        return None, (
            "no cases were set aside: judge.set_aside is 0, or too few rows passed the judge for 20 of them"
        )
    try:
        student = Student(path)
    except NotDecodable as error:
        return None, str(error)
    logprobs, right = [], []
    with student:
        for case in cases:
            try:
                answer = student.answer(case.messages, spec.max_new_tokens)
            except ValueError:  # the template or the context refuses this conversation
                continue
            logprobs.append(answer.decoded.logprob)
            parsed = parse_answer(answer.text)
            right.append(answer.complete and metrics.score(case.calls, parsed, toolset).exact)
    if not right:
        return None, f"none of the {len(cases)} cases that were set aside fits into the student's prompt"
    return calibrated(logprobs, right, spec.target_precision), ""

"""Answers with their scores, and what is derived from them: failures, disagreements, confidence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distil_dag.core.case import Case
from distil_dag.core.confidence import Confidence
from distil_dag.core.normalise import Normaliser
from distil_dag.core.reports.evidence import ConfidenceReport, Guarantee, LabelNoiseReport
from distil_dag.core.settings import EvaluationSpec
from distil_dag.core.tool_call import Answer, ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating import label_noise, metrics
from distil_dag.stages.evaluating.selective_prediction import Price, Sure, confidence_report

# Of a rambling answer the report keeps the beginning.
_LONGEST_ANSWER = 2000
# Form of an answer of which nobody knows how it would have gone on.
CUT_OFF = "cut off at its greatest length"


@dataclass(frozen=True)
class Answered:
    """A candidate's raw answer to one case. What is not known is None.

    Attributes:
        text: the raw text.
        latency_ms: time of the answer alone, in milliseconds.
        error: why no answer came. Such a case is wrong, whatever was expected.
        tokens: of the prompt and of the answer.
        logprob: natural log of the answer's probability; minus infinity if it was cut off.
        score: what ranks the answer, where something else than the probability does.
        drafted: whether the student's draft model gives the same answer.
        confidence: the probability that the answer is right, by calibration.
        confident: whether that is enough for the target precision.
        asked: token ids of the prompt.
        rendered: token ids that the runtime's own chat route makes of the case, where it has one.
        cut: whether the answer was cut off at its greatest length. Such an answer is never right.
    """

    text: str
    latency_ms: float | None = None
    error: str = ""
    tokens: tuple[int, int] | None = None
    logprob: float | None = None
    score: float | None = None
    drafted: bool | None = None
    confidence: float | None = None
    confident: bool | None = None
    asked: tuple[int, ...] | None = None
    rendered: tuple[int, ...] | None = None
    cut: bool = False


@dataclass(frozen=True)
class Scored:
    """One answer with its score.

    Attributes:
        case: the test case.
        answered: the raw answer.
        parsed: the calls read from it.
        score: its metrics.
    """

    case: Case
    answered: Answered
    parsed: Answer
    score: metrics.CaseScore


Results = Mapping[str, Mapping[int, Scored]]
"""Candidate -> place in the test -> its answer."""


def disagreements(
    student: str,
    scored: Results,
    log: Sequence[Case],
    toolset: Toolset,
    confidence: float,
    normaliser: Normaliser,
) -> LabelNoiseReport:
    """Where the student and the labels differ, compared with a log whose calls are trusted.

    Args:
        student: name of the student's candidate.
        scored: answers of all candidates.
        log: logged rows with trusted calls.
        toolset: the tools.
        confidence: of intervals, e.g. 0.95.
        normaliser: tells which requests are the same.
    """
    answers = [
        label_noise.Answers(
            case=item.case,
            right=item.score.exact,
            student=None if item.parsed.error is not None else item.parsed.calls,
            others={
                name: items[place].parsed.calls
                for name, items in scored.items()
                # Its other forms answer alike by construction.
                if not name.startswith("student") and place in items and items[place].parsed.error is None
            },
        )
        for place, item in scored[student].items()
    ]
    return label_noise.find_label_noise(answers, log, toolset, normaliser, confidence)


def confidence(
    scored: Results,
    teacher: str,
    spec: EvaluationSpec,
    known: Confidence | None,
    price: Price | None,
    guarantee: Guarantee | None = None,
) -> ConfidenceReport | None:
    """The confidence report of the first candidate that says how probable its answers are.

    Args:
        scored: answers of all candidates.
        teacher: name of the teacher's candidate.
        spec: the settings of the evaluation.
        known: the calibration of the probabilities, from other cases.
        price: what a request costs at the teacher.
        guarantee: what other cases prove.

    Returns:
        The report; None where no candidate says so.
    """
    taught = scored.get(teacher, {})
    for name, items in scored.items():
        sure = [
            Sure(
                score=item.answered.logprob if item.answered.score is None else item.answered.score,
                right=item.score.exact,
                confidence=item.answered.confidence,
                confident=item.answered.confident,
                teacher_right=taught[place].score.exact if place in taught else None,
            )
            for place, item in items.items()
            if item.answered.logprob is not None
        ]
        if sure:
            return confidence_report(name, sure, spec, known, price, guarantee)
    return None


def failures(student: str, scored: Results) -> list[dict[str, Any]]:
    """What the student got wrong, in the order of the test, and which candidates got it right."""
    return [
        {
            "case": writable(item.case.id),
            "request": writable(item.case.request),
            "expected": _calls(item.case.calls),
            "got": _calls(item.parsed.calls),
            "answer": writable(item.answered.text[:_LONGEST_ANSWER]),
            "why": writable(item.score.why),
            **sureness(item.answered),
            "right": [name for name, items in scored.items() if place in items and items[place].score.exact],
        }
        for place, item in scored[student].items()
        if not item.score.exact
    ]


def answer_row(name: str, item: Scored) -> dict[str, Any]:
    """One answer as a flat row. It leaves out the latency: rows must be equal when a run is repeated."""
    return {
        "candidate": name,
        "case_id": writable(item.case.id),
        "request": writable(item.case.request),
        "expected": json.dumps(_calls(item.case.calls), ensure_ascii=False),
        "answer": writable(item.answered.text),
        "exact": item.score.exact,
        **sureness(item.answered),
        "score": _finite(item.answered.score),
        **{metric: item.score.metrics[metric] for metric in metrics.METRICS},
        "why": writable(item.score.why),
    }


def sureness(answered: Answered) -> dict[str, Any]:
    """`probability`, `confidence` and `confident` of an answer, None where they are not known.

    They are rounded, because the last digits depend on the order in which a machine adds up.
    """
    probability = None if answered.logprob is None else round(math.exp(answered.logprob), 4)
    worth = None if answered.confidence is None else round(answered.confidence, 4)
    return {"probability": probability, "confidence": worth, "confident": answered.confident}


def _finite(score: float | None) -> float | None:
    """A score as it is written, rounded as probabilities are; None for one that is none."""
    return None if score is None or not math.isfinite(score) else round(score, 4)


def _calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = writable([call.model_dump() for call in calls])
    return written


def writable(value: Any) -> Any:
    """The value without what a file can't hold: half a surrogate pair, numbers that JSON lacks."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"), parse_constant=str)

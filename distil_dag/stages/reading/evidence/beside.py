"""What stands beside an answer in its record: what it used, and what was said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from distil_dag.core.feedback import Feedback
from distil_dag.stages.reading.evidence.scores import feedback_of
from distil_dag.stages.reading.evidence.usage import Usage, usage_of
from distil_dag.stages.reading.fields import EVIDENCE, MARKS
from distil_dag.stages.reading.recorders.spans.span import Span
from distil_dag.stages.reading.strict_values import Unreadable

_FIELDS = frozenset(EVIDENCE)


class Evidence(NamedTuple):
    """What stands beside an answer.

    Attributes:
        usage: tokens and money.
        feedback: scores of people and programs.
    """

    usage: Usage = Usage()
    feedback: tuple[Feedback, ...] = ()


NONE = Evidence()


def evidence_of(record: Mapping[str, Any]) -> Evidence:
    """What stands beside the answer of a record.

    Args:
        record: as it was logged. What recorders write is looked through; of others only known fields and the
            answer's body are.
    """
    if not MARKS.isdisjoint(record):
        usage = usage_of(record)
        if usage.input_tokens is None and (attributes := _attributes(record)):
            of_span = usage_of(attributes)
            usage = of_span if of_span.cost is not None else of_span._replace(cost=usage.cost)
        return Evidence(usage, feedback_of(record))
    response = record.get("response")
    if not _FIELDS.isdisjoint(record):
        return Evidence(usage_of(record), feedback_of(record))
    if isinstance(response, Mapping) and "usage" in response:
        return Evidence(usage_of({"usage": response["usage"]}))
    return NONE


def _attributes(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        span = Span.of(record)
    except Unreadable:
        return None
    return span.attributes if span else None

"""Langfuse: observations as its API, its blob export and its pages give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.recorders.spans.own_attributes import KINDS, observed, refuse_other_kinds
from distil_dag.stages.reading.recorders.spans.span import milliseconds
from distil_dag.stages.reading.strict_values import Unreadable

_TRACES = ("traceId", "trace_id", "traceName", "trace_name")


def knows(record: Mapping[str, Any]) -> bool:
    """Whether a record is an observation of Langfuse."""
    kind = record.get("type")
    if not isinstance(kind, str) or kind.upper() not in KINDS or record.get("messages") is not None:
        return False
    return any(record.get(name) is not None for name in _TRACES)


def chat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a generation.

    Raises:
        Unreadable: content is not logged, or the request failed.
        NoAnswer: it is an observation of another type.
    """
    refuse_other_kinds(record["type"])
    if record.get("level") == "ERROR":
        raise Unreadable("the request failed", "the observation ended in an error")
    start = _either(record, "startTime", "start_time")
    end = _either(record, "endTime", "end_time")
    return observed(
        record.get("input"),
        record.get("output"),
        model=_either(record, "model", "providedModelName", "provided_model_name", "internalModel"),
        latency_ms=milliseconds(start, end),
        recorded_at=start,
    )


def _either(record: Mapping[str, Any], *names: str) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)

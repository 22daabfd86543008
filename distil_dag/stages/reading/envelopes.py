"""Objects that hold the spans of many calls: OTLP/JSON of a collector, a trace of MLflow, one of Langfuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.recorders.pairs import parsed
from distil_dag.stages.reading.recorders.spans.mlflow import spans_of
from distil_dag.stages.reading.strict_values import Unreadable

_RESOURCES = ("resourceSpans", "resource_spans", "batches", "resourceLogs", "resource_logs")
_SCOPES = (
    "scopeSpans", "scope_spans", "instrumentationLibrarySpans", "ilSpans", "scopeLogs", "scope_logs",
    "instrumentationLibraryLogs",
)  # fmt: skip
_LEAVES = ("spans", "logRecords", "log_records", "logs")
_SCORES = ("scores", "assessments")
_AROUND = ("scope", "instrumentationLibrary", "instrumentation_library")
LISTS = frozenset((*_RESOURCES, *_SCOPES))
"""Keys under which OTLP keeps lists of what is around spans."""
_KEYS = LISTS | {"data", "spans", "observations", "content", "trace"}


def spans_in(value: Mapping[str, Any]) -> list[Any] | None:
    """The spans, log records or observations that an object holds; None where it is no envelope."""
    if _KEYS.isdisjoint(value):
        return None
    try:
        return _spans_in(value)
    except Unreadable:
        return None  # the object is a record then, and can't be read


def _spans_in(value: Mapping[str, Any]) -> list[Any] | None:
    if not LISTS.isdisjoint(value):
        return list(_leaves(value, None))
    if (spans := spans_of(value)) is not None:
        return _scored(spans, value)
    observations = value.get("observations")
    if isinstance(observations, list) and observations and all(map(_is_observation, observations)):
        return _scored(observations, value)
    content = value.get("content")
    if (
        isinstance(content, str)
        and "trace_id" in value
        and content.startswith("{")
        and '"attributes"' in content
    ):
        return [parsed(content, "content")]  # a row of MLflow's table of spans
    return None


def _scored(parts: list[Any], trace: Mapping[str, Any]) -> list[Any]:
    """The parts of a trace with the scores of the whole, which stand beside them."""
    info = trace.get("info")
    for holder in (trace, info if isinstance(info, Mapping) else {}):
        for name in _SCORES:
            if isinstance(scores := holder.get(name), list) and scores:
                return [
                    {**part, name: [*own, *scores]} if isinstance(own := part.get(name, []), list) else part
                    for part in parts
                ]
    return parts


def _leaves(value: Mapping[str, Any], scope: Any) -> Iterator[Any]:
    """Each span with the scope around it; what is no envelope stays, so that it is told."""
    held = [(key, parsed(value[key], key)) for key in (*_RESOURCES, *_SCOPES, *_LEAVES) if key in value]
    if not held or not all(isinstance(inner, list) for _, inner in held):
        yield value
        return
    for key, inner in held:
        for one in inner:
            if key in _LEAVES and isinstance(one, Mapping):
                yield {**one, "scope": scope} if scope else one
            elif isinstance(one, Mapping):
                around = next((one[name] for name in _AROUND if one.get(name)), scope)
                yield from _leaves(one, around)
            else:
                yield one


def _is_observation(value: Any) -> bool:
    return isinstance(value, Mapping) and "type" in value and ("traceId" in value or "trace_id" in value)

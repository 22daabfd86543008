"""Objects that hold the spans of many calls: OTLP/JSON of a collector, a trace of MLflow, one of Langfuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.recorders.pairs import parsed
from distil_dag.stages.reading.recorders.spans.mlflow import spans_of

_RESOURCES = ("resourceSpans", "resource_spans", "batches", "resourceLogs", "resource_logs")
_SCOPES = (
    "scopeSpans", "scope_spans", "instrumentationLibrarySpans", "ilSpans", "scopeLogs", "scope_logs",
    "instrumentationLibraryLogs",
)  # fmt: skip
_LEAVES = ("spans", "logRecords", "log_records", "logs")
LISTS = frozenset((*_RESOURCES, *_SCOPES))
"""Keys under which OTLP keeps lists of what is around spans."""
_KEYS = LISTS | {"data", "spans", "observations", "content"}


def spans_in(value: Mapping[str, Any]) -> list[Any] | None:
    """The spans, log records or observations that an object holds; None where it is no envelope.

    Raises:
        Unreadable: they are JSON text that is broken.
    """
    if _KEYS.isdisjoint(value):
        return None
    if not LISTS.isdisjoint(value):
        return list(_leaves(value, None))
    if (spans := spans_of(value)) is not None:
        return spans
    observations = value.get("observations")
    if isinstance(observations, list) and observations and all(map(_is_observation, observations)):
        return observations
    content = value.get("content")
    if (
        isinstance(content, str)
        and "trace_id" in value
        and content.startswith("{")
        and '"attributes"' in content
    ):
        return [parsed(content, "content")]  # a row of MLflow's table of spans
    return None


def _leaves(value: Mapping[str, Any], scope: Any) -> Iterator[Any]:
    """Each span with the scope around it."""
    for key in (*_RESOURCES, *_SCOPES):
        for inner in _objects(value.get(key)):
            around = (
                inner.get("scope")
                or inner.get("instrumentationLibrary")
                or inner.get("instrumentation_library")
            )
            yield from _leaves(inner, around or scope)
    if scope is not None or "scope" in value:
        for key in _LEAVES:
            for leaf in _objects(value.get(key)):
                yield {**leaf, "scope": scope}
    elif not any(key in value for key in (*_RESOURCES, *_SCOPES)):
        for key in _LEAVES:
            yield from _objects(value.get(key))


def _objects(values: Any) -> Iterator[Mapping[str, Any]]:
    values = parsed(values, "an envelope")
    for one in values if isinstance(values, list) else ():
        if isinstance(one, Mapping):
            yield one


def _is_observation(value: Any) -> bool:
    return isinstance(value, Mapping) and "type" in value and ("traceId" in value or "trace_id" in value)

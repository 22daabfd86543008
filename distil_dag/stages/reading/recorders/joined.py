"""Which records of recorders belong together, and the one that they make up.

A long run of LangSmith is a record for its start and one for its end. LangChain's callbacks are given the two
apart. Instrumentations of OpenTelemetry may write a log record for each message, beside the span. A batch has
a file of requests and one of results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.exports import batches
from distil_dag.stages.reading.recorders import langsmith
from distil_dag.stages.reading.recorders.pairs import is_empty
from distil_dag.stages.reading.recorders.spans.message_events import CHOICE, MESSAGES
from distil_dag.stages.reading.recorders.spans.registry import is_model_call
from distil_dag.stages.reading.recorders.spans.span import Span

Record = Mapping[str, Any]
_EVENTS = "messageEvents"
_OF_A_MESSAGE = frozenset({"body", "Body", "eventName", "event_name", "EventName", "event.name"})
_TIMES = ("timeUnixNano", "time_unix_nano", "observedTimeUnixNano", "Timestamp")
# Attributes that hold content begin so.
_CONTENT = (
    "gen_ai.input.", "gen_ai.output.", "gen_ai.prompt", "gen_ai.completion", "gen_ai.request.messages",
    "llm.", "ai.", "langfuse.", "mlflow.", "openinference.", "request_data", "events",
    "input", "output", "traceloop.entity.", "langwatch.", "braintrust.",
)  # fmt: skip


def identity_of(record: Record) -> Any:
    """The id that a recorder gave to a call; None or empty for a record that holds none."""
    if isinstance(record.get("litellm_call_id"), str):
        return record["litellm_call_id"]  # `id` is the service's, and may repeat
    if langsmith.is_start(record) or langsmith.is_end(record):
        return langsmith.run_of(record)
    if record.get("id") not in (None, ""):
        return record["id"]
    span = Span.of(record)
    return span.key if span else ""


def around_of(record: Record) -> str:
    """The id of what stands around a call; empty where nothing does."""
    for name in ("parent_run_id", "parentObservationId", "parent_observation_id"):
        if record.get(name):
            return str(record[name])
    span = Span.of(record)
    return f"{span.trace}-{span.parent}" if span and span.parent else ""


def key_of(record: Record) -> str:
    """What the other parts of a record are found by; empty for a record that is whole."""
    if key := batches.key_of(record):
        return key
    if langsmith.is_run(record):
        return "" if langsmith.is_whole(record) else f"run {record.get('id')}"
    if langsmith.is_start(record) or langsmith.is_end(record):
        run = langsmith.run_of(record)
        return f"run {run}" if run else ""
    span = Span.of(record)
    if span is None or not span.id:
        return ""
    return f"span {span.key}" if span.event in MESSAGES or _is_hollow(span) else ""


def join(first: Record, second: Record) -> dict[str, Any]:
    """The record that two parts make up, the earlier one first."""
    if batches.knows(first) and batches.knows(second):
        return batches.join(first, second)
    if langsmith.is_run(first) or langsmith.is_run(second):
        start, end = (first, second) if "inputs" in first else (second, first)
        return {**start, **{key: value for key, value in end.items() if not is_empty(value)}}
    if langsmith.is_end(first) or langsmith.is_end(second):
        start, end = (second, first) if langsmith.is_end(first) else (first, second)
        return {**end, **{key: start[key] for key in ("messages", "run_id") if key in start}}
    one, other = _with_events(first), _with_events(second)
    span = other if "startTimeUnixNano" in other or "start_time" in other else one
    events = one.get(_EVENTS, []) + [
        event for event in other.get(_EVENTS, []) if event not in one.get(_EVENTS, [])
    ]
    events.sort(key=lambda event: str(event.get("time") or "").zfill(20))
    return {**one, **other, **span, _EVENTS: events}


def is_complete(record: Record) -> bool:
    """Whether nothing more of a joined record is to come."""
    if batches.knows(record):
        return False  # another batch may have the same ids
    if langsmith.is_run(record):
        return langsmith.is_whole(record)
    if langsmith.is_end(record):
        return not is_empty(record.get("messages"))
    answered = any(event["name"] == CHOICE for event in record.get(_EVENTS, ()))
    return answered and any(
        record.get(name) is not None for name in ("endTimeUnixNano", "end_time", "endTime")
    )


def as_joined(record: Record) -> Record:
    """A record that found no other part, in the form of one that did."""
    if batches.knows(record):
        return record
    if langsmith.is_run(record) or langsmith.is_start(record) or langsmith.is_end(record):
        return record
    return _with_events(record)


def _with_events(record: Record) -> dict[str, Any]:
    """A log record of one message as one that holds a list of them."""
    span = Span.of(record)
    if span is None or span.event not in MESSAGES:
        return dict(record)
    time = next((record[name] for name in _TIMES if record.get(name) is not None), None)
    body = span.body if span.body is not None else dict(span.attributes)
    held = {key: value for key, value in record.items() if key not in _OF_A_MESSAGE}
    return {**held, _EVENTS: [{"name": span.event, "body": body, "time": time}]}


def _is_hollow(span: Span) -> bool:
    """Whether a span is a call of a model without content, which may stand in log records."""
    if span.event or span.has(*_CONTENT) or any(name in MESSAGES for name, _ in span.events):
        return False
    return is_model_call(span)

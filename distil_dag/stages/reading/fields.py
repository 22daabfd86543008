"""The fields of a record that are ever read, besides its id and time."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

CONTENT = (
    "request", "response", "messages", "context", "question", "answer", "conversations", "conversation",
    "contents", "candidates", "input", "output", "inputs", "outputs", "query", "answers", "chat",
    "preferred_output", "items",
)  # fmt: skip
"""Fields that hold what was asked or answered; a source without any of them is no log."""
EVIDENCE = (
    "usage", "prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "response_cost",
    "total_cost", "cost", "spend", "feedback", "user_feedback", "feedback_stats", "scores", "annotations",
    "assessments", "rating", "thumbs", "user_score", "reaction",
)  # fmt: skip
"""Fields that say what an answer used, and what people said of it."""
FIELDS = (
    *CONTENT, *EVIDENCE, "system", "system_prompt", "system_instruction", "systemInstruction", "instructions",
    "instruction", "previous_response_id", "model", "latency_ms", "finish_reason", "stop_reason",
    "stopReason", "status", "incomplete_details", "error",
)  # fmt: skip
"""Everything that is ever read from a record, besides its id and time."""
CONTENT_FIELDS = frozenset(CONTENT)
RECORDED = (
    "attributes", "SpanAttributes", "LogAttributes", "span_data", "generations", "model_input_messages",
    "task_images", "spans", "proxy_server_request", "resourceSpans", "resourceLogs", "scopeSpans",
    "scopeLogs", "span_attributes", "custom_id", "gen_ai.operation.name",
)  # fmt: skip
"""Fields that hold the same in what recorders write."""
MARKS = frozenset(
    {
        *RECORDED, "eventName", "event_name", "EventName", "workflow_name", "run_type",
        "serialized", "litellm_call_id", "request_body", "choices", "call_type", "traceId", "traceID",
        "trace_id",
        "context.span_id", "resourceMetrics", "tools_digest",
    }
)  # fmt: skip
"""Fields of which each record of a recorder has one; most records have none."""
_MORE = frozenset(
    {
        *MARKS, "type", "object", "name", "span_kind", "run_id", "llm_output", "request_id",
        "model_parameters", "error_str", "task", "step_number", "model_output_message", "tool_calls",
        "timing", "TraceId", "span_id", "spanId", "SpanId", "root_span_id", "context", "parent_id",
        "parentSpanId", "ParentSpanId", "parent_run_id", "scope", "otel_scope_name", "ScopeName", "SpanName",
        "start_time", "startTime", "start_timestamp", "started_at", "created", "Timestamp", "end_time",
        "endTime", "end_timestamp", "ended_at", "startTimeUnixNano", "endTimeUnixNano", "status_code",
        "StatusCode", "level", "metadata", "metrics", "extra", "body", "Body", "events", "otel_events",
        "content", "response_body", "span_type", "kind", "providedModelName", "provided_model_name", "info",
        "data", "observations", "answered_by", "other", "audited", "student", "teacher",
    }
)  # fmt: skip
_SPREAD = ("attributes", "context")
_LATENCY_LIMIT = 1e9  # milliseconds; also keeps NaN and integers too large for a float out
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?")  # as a table of text holds it


def field_of(column: str) -> str:
    """The field that a column belongs to: tables of spans spread their attributes over many columns."""
    head, dot, _ = column.partition(".")
    return head if dot and head in _SPREAD else column


def chosen(columns: Iterable[str], needed: Container[str]) -> list[str]:
    """The columns of a table that are read.

    Args:
        columns: all that it has.
        needed: those that any log needs; where a recorder wrote the table, all that recorders fill are added.
    """
    names = list(columns)
    more = _MORE if not MARKS.isdisjoint(map(field_of, names)) else frozenset()
    return [name for name in names if name in needed or field_of(name) in more]


def is_recorded(column: str) -> bool:
    """Whether recorders fill a column."""
    return field_of(column) in _MORE


def model_of(record: Mapping[str, Any]) -> str:
    """The name of the model that answered, as it was logged; empty where the record names none."""
    for holder in (record.get("response"), record.get("request"), record):
        if isinstance(holder, Mapping) and isinstance(name := holder.get("model"), str):
            return name
    return ""


def latency_of(record: Mapping[str, Any]) -> float | None:
    """The time of the answer in milliseconds; None where the record does not tell."""
    value = record.get("latency_ms")
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _LATENCY_LIMIT:
        return None
    return float(value)


def without_nulls(value: Any) -> Any:
    """A value of typed columns as it was logged: each of its objects shows the names of all of them."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value

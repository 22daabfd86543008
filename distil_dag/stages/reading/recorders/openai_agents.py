"""The Agents SDK of OpenAI: traces and spans, as its trace processors export them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.recorders.outcome import AROUND, OTHER, TOOL_RUN, NoAnswer, content_off
from distil_dag.stages.reading.recorders.pairs import chat_pair, is_empty, parsed
from distil_dag.stages.reading.recorders.spans.span import milliseconds
from distil_dag.stages.reading.strict_values import Unreadable

SETTING = (
    "set RunConfig(trace_include_sensitive_data=True) or OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA=true"
)
RESPONSE = (
    "use OpenAIChatCompletionsModel, or a trace processor that exports span_data.input and span_data.response"
)
_AROUND = frozenset({"agent", "custom", "handoff", "guardrail", "task", "turn", "mcp_tools"})


def knows(record: Mapping[str, Any]) -> bool:
    """Whether a record is a trace or a span of the SDK."""
    return "span_data" in record or (record.get("object") == "trace" and "workflow_name" in record)


def chat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a span in which a model answered.

    Raises:
        Unreadable: content is not logged.
        NoAnswer: it is a trace, or a span of another type.
    """
    data = parsed(record.get("span_data"), "span_data")
    if not isinstance(data, Mapping):
        raise NoAnswer(AROUND)
    kind = str(data.get("type"))
    if kind not in ("generation", "response"):
        raise NoAnswer(TOOL_RUN if kind == "function" else AROUND if kind in _AROUND else OTHER)
    if not is_empty(record.get("error")):
        raise Unreadable("the request failed", "the span ended in an error")
    given, got = (
        parsed(data.get("input"), "input"),
        parsed(data.get("output") or data.get("response"), "output"),
    )
    if is_empty(given) or is_empty(got):
        raise content_off(RESPONSE if kind == "response" else SETTING)
    start = record.get("started_at")
    return chat_pair(
        given,
        got,
        model=data.get("model"),
        latency_ms=milliseconds(start, record.get("ended_at")),
        recorded_at=start,
    )

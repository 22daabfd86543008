"""Braintrust: rows of its logs, a span each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.recorders.outcome import (
    AROUND,
    OTHER,
    TOOL_RUN,
    NoAnswer,
    content_off,
    refuse_continued,
)
from distil_dag.stages.reading.recorders.pairs import chat_pair, is_empty, parsed
from distil_dag.stages.reading.recorders.spans.span import milliseconds
from distil_dag.stages.reading.strict_values import Unreadable

SETTING = "let the span log input and output: wrap_openai does"
_AROUND = frozenset(
    {"task", "eval", "function", "score", "facet", "automation", "classifier", "review", "preprocessor"}
)


def knows(record: Mapping[str, Any]) -> bool:
    """Whether a record is a row of Braintrust."""
    if "span_attributes" not in record or not ("root_span_id" in record or "span_id" in record):
        return False
    told = record["span_attributes"]
    return not isinstance(told, Mapping) or not any(str(name).startswith("gen_ai") for name in told)


def chat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a span in which a model answered.

    Raises:
        Unreadable: content is not logged, or streamed calls were mixed up.
        NoAnswer: it is a span of another type.
    """
    told = parsed(record.get("span_attributes"), "span_attributes")
    kind = told.get("type") if isinstance(told, Mapping) else None
    kind = kind if isinstance(kind, str) else None
    if kind != "llm":
        raise NoAnswer(TOOL_RUN if kind == "tool" else AROUND if kind in _AROUND or kind is None else OTHER)
    if not is_empty(record.get("error")):
        raise Unreadable("the request failed", "the span ended in an error")
    given, got = parsed(record.get("input"), "input"), parsed(record.get("output"), "output")
    if is_empty(given) or is_empty(got):
        raise content_off(SETTING)
    more, times = parsed(record.get("metadata"), "metadata"), parsed(record.get("metrics"), "metrics")
    more = more if isinstance(more, Mapping) else {}
    times = times if isinstance(times, Mapping) else {}
    refuse_continued(more)
    if more.get("stream") and _has_hollow_call(got):
        raise Unreadable(
            "streamed calls were mixed up", "a call has empty arguments; its recorder joins deltas wrongly"
        )
    return chat_pair(
        given,
        got,
        instructions=more.get("instructions"),
        model=more.get("model"),
        latency_ms=milliseconds(times.get("start"), times.get("end")),
        recorded_at=times.get("start") or record.get("created"),
    )


def _has_hollow_call(got: Any) -> bool:
    """Whether a call has no arguments, which a service writes as `{}`."""
    for choice in got if isinstance(got, list) else ():
        message = choice.get("message") if isinstance(choice, Mapping) else None
        for call in (message.get("tool_calls") or ()) if isinstance(message, Mapping) else ():
            function = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(function, Mapping) and function.get("arguments") == "":
                return True
    return False

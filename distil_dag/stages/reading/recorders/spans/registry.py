"""Which recorder wrote a span, and the record that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from distil_dag.stages.reading.recorders.outcome import OTHER, NoAnswer, content_off, refuse_continued
from distil_dag.stages.reading.recorders.spans import (
    genai,
    message_events,
    mlflow,
    openinference,
    own_attributes,
)
from distil_dag.stages.reading.recorders.spans.span import Span
from distil_dag.stages.reading.strict_values import Unreadable

Reader = Callable[[Span], dict[str, Any] | None]

# The first that knows a span reads it. These tell calls of a model from other spans themselves.
_OF_A_KIND: tuple[Reader, ...] = (
    own_attributes.langfuse_record,
    openinference.chat_record,
    mlflow.chat_record,
    own_attributes.ai_sdk_record,
)
# These read what a span of GenAI's conventions holds.
_BY_CONTENT: tuple[Reader, ...] = (
    genai.chat_record,
    message_events.chat_record,
    own_attributes.logfire_record,
    own_attributes.any_record,
)
_MODELS = (
    "gen_ai.response.model", "ai.response.model", "llm.model_name", "langfuse.observation.model.name",
    "mlflow.llm.model", "gen_ai.request.model", "ai.model.id", "model_name", "model",
)  # fmt: skip


def chat_record(span: Span) -> dict[str, Any]:
    """The record that a span or log record stands for.

    Raises:
        Unreadable: content is off, or can't be read.
        NoAnswer: it is no answer of a model.
    """
    found = _found(span)
    for name, value in span.attributes.items():
        if name.endswith("previous_response_id"):
            refuse_continued({"previous_response_id": value})
    if isinstance(parameters := span.get("llm.invocation_parameters"), Mapping):
        refuse_continued(parameters)
    model = span.get(*_MODELS)
    seconds = span.get("duration") if span.start == span.end else None
    return {
        **found,
        "model": model.strip('"') if isinstance(model, str) else None,
        "latency_ms": seconds * 1000 if isinstance(seconds, (int, float)) else span.latency_ms,
        "recorded_at": span.start,
    }


def is_model_call(span: Span) -> bool:
    """Whether a span of GenAI's conventions is a call of a model."""
    try:
        return genai.is_model_call(span)
    except NoAnswer:
        return False


def _found(span: Span) -> Mapping[str, Any]:
    for read in _OF_A_KIND:
        if (found := read(span)) is not None:
            return found
    called = genai.is_model_call(span) or span.event in message_events.MESSAGES
    for read in _BY_CONTENT:
        if (found := read(span)) is not None:
            return found
    if not called:
        raise NoAnswer(OTHER)
    if span.failed:
        raise Unreadable("the request failed", "the span ended in an error")
    raise content_off(genai.setting_of(span))

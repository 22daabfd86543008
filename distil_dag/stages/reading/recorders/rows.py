"""Rows of other services: spans with a type, bodies of requests, completions that OpenAI has stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.recorders.outcome import AROUND, OTHER, TOOL_RUN, NoAnswer
from distil_dag.stages.reading.recorders.pairs import chat_pair, is_empty, parsed
from distil_dag.stages.reading.recorders.spans.span import milliseconds
from distil_dag.stages.reading.strict_values import Unreadable

STORED = "no request; put the messages of GET /chat/completions/{id}/messages beside it, as `messages`"
_TRACES = ("trace_id", "traceId", "root_span_id")
_TYPES = ("type", "span_type", "kind", "span_kind", "observation_type")
_MODELS = frozenset({"llm", "chat", "generation", "chat_model", "model", "completion"})
_TOOLS = frozenset({"tool", "function", "tool_call"})
_AROUND = frozenset({"agent", "chain", "general", "workflow", "task", "step", "guardrail", "trace"})
_OTHER = frozenset(
    {"embedding", "retriever", "retrieval", "rerank", "reranker", "evaluator", "event", "score"}
)
_KINDS = _MODELS | _TOOLS | _AROUND | _OTHER
_GIVEN, _GOT = ("input", "inputs", "prompt"), ("output", "outputs", "response")


def is_row(record: Mapping[str, Any]) -> bool:
    """Whether a record is a row of a tracing service that says of what kind it is."""
    if _kind(record) not in _KINDS or record.get("messages") is not None or record.get("request") is not None:
        return False
    in_trace = any(record.get(name) is not None for name in _TRACES)
    return in_trace and any(name in record for name in (*_GIVEN, *_GOT))


def chat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a row in which a model answered.

    Raises:
        Unreadable: its request or its answer can't be read.
        NoAnswer: it is of another kind.
    """
    kind = _kind(record)
    if kind not in _MODELS:
        raise NoAnswer(TOOL_RUN if kind in _TOOLS else AROUND if kind in _AROUND else OTHER)
    given, got = (_first(record, names) for names in (_GIVEN, _GOT))
    start = _first(record, ("start_time", "startTime", "started_at", "created_at"))
    end = _first(record, ("end_time", "endTime", "ended_at"))
    more = {"model": record.get("model"), "latency_ms": milliseconds(start, end), "recorded_at": start}
    return chat_pair(given, got, **more)


def is_body(record: Mapping[str, Any]) -> bool:
    """Whether a record keeps the bodies of a request and its response, as Helicone does."""
    return record.get("request_body") is not None and record.get("response_body") is not None


def body_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of two bodies.

    Raises:
        Unreadable: one of them can't be read.
    """
    start = _first(record, ("request_created_at", "created_at"))
    return chat_pair(
        record["request_body"], record["response_body"], model=record.get("model"), recorded_at=start
    )


def is_completion(record: Mapping[str, Any]) -> bool:
    """Whether a record is the answer of a chat completion itself, as OpenAI stores it."""
    return record.get("object") == "chat.completion" and isinstance(record.get("choices"), list)


def completion_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a stored completion.

    Raises:
        Unreadable: the messages of its request are not beside it.
    """
    given = _first(record, ("messages", "input", "request"))
    if isinstance(given, Mapping) and isinstance(given.get("data"), list):
        given = given["data"]  # a page of a list
    if is_empty(given):
        raise Unreadable(STORED)
    answer = {key: record[key] for key in ("choices", "model", "usage") if key in record}
    return chat_pair(given, answer, recorded_at=record.get("created"))


def _kind(record: Mapping[str, Any]) -> str:
    return next((kind.lower() for name in _TYPES if isinstance(kind := record.get(name), str)), "")


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((parsed(record[name], name) for name in names if not is_empty(record.get(name))), None)

"""MLflow: spans with JSON text in `mlflow.spanInputs` and `mlflow.spanOutputs`.

The calls of a streamed answer stand in the events of its span only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from distil_dag.stages.reading.recorders.chunks import completion_of
from distil_dag.stages.reading.recorders.outcome import AROUND, OTHER, TOOL_RUN, NoAnswer, content_off
from distil_dag.stages.reading.recorders.pairs import chat_pair, is_empty, parsed
from distil_dag.stages.reading.recorders.spans.span import Span
from distil_dag.stages.reading.strict_values import Unreadable

SETTING = "call mlflow.openai.autolog(), or autolog of the library in use, with log_traces=True"
_GIVEN, _GOT, _KIND = "mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.spanType"
_MODELS = frozenset({"CHAT_MODEL", "LLM"})
_AROUND = frozenset({"AGENT", "CHAIN", "WORKFLOW", "TASK", "UNKNOWN", "EVALUATOR", "GUARDRAIL", "MEMORY"})
_CHUNK = re.compile(r"mlflow\.chunk\.item\.(\d+)")


def chat_record(span: Span) -> dict[str, Any] | None:
    """The record of a span of MLflow; None for any other span.

    Raises:
        Unreadable: content is not logged.
        NoAnswer: the span is no call of a model.
    """
    if not span.has("mlflow.span"):
        return None
    kind = str(_decoded(span.attributes.get(_KIND)) or "").upper()
    if kind not in _MODELS:
        raise NoAnswer(TOOL_RUN if kind == "TOOL" else AROUND if kind in _AROUND or not kind else OTHER)
    given, got = (_decoded(span.attributes.get(name)) for name in (_GIVEN, _GOT))
    streamed = _streamed(span)
    if streamed is not None:
        got = streamed
    if is_empty(given) or (is_empty(got) and not span.failed):
        raise content_off(SETTING)
    if span.failed:
        raise Unreadable("the request failed", "the span ended in an error")
    return chat_pair(given, got)


def spans_of(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The spans of a trace of MLflow, in either of its forms; None where a value is none.

    Args:
        value: `trace.to_json()`, or a row of `mlflow.search_traces()`.
    """
    if isinstance(value.get("trace"), Mapping) and "trace_id" not in value:
        value = value["trace"]  # as the server answers
    data, info = value.get("data"), value.get("info")
    if isinstance(data, Mapping) and isinstance(data.get("spans"), list) and isinstance(info, Mapping):
        spans = data["spans"]
    elif "spans" in value and ("trace_id" in value or "trace_info" in value):
        spans = parsed(value["spans"], "spans")
    else:
        return None
    spans = [parsed(span, "a span") for span in spans] if isinstance(spans, list) else []
    if not spans or not all(isinstance(span, Mapping) and "attributes" in span for span in spans):
        return None
    return [dict(span) for span in spans]


def _decoded(value: Any) -> Any:
    """The value of an attribute, each of which is JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _streamed(span: Span) -> dict[str, Any] | None:
    """The completion that the events of a streamed answer make up."""
    chunks: list[tuple[int, Any]] = []
    for name, held in span.events:
        if (found := _CHUNK.fullmatch(name)) and isinstance(held, Mapping):
            chunks.append((int(found[1]), _decoded(held.get("mlflow.chunk.value"))))
    if not chunks:
        return None
    chunks.sort(key=lambda one: one[0])
    if [place for place, _ in chunks] != list(range(len(chunks))):
        raise Unreadable("a streamed answer", "some of its events are not in the span")
    return completion_of(_objects(chunk for _, chunk in chunks))


def _objects(chunks: Iterable[Any]) -> Iterable[Mapping[str, Any]]:
    for chunk in chunks:
        if isinstance(chunk, Mapping):
            yield chunk

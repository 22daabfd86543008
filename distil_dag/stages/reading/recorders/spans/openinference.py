"""OpenInference (Arize Phoenix): messages as flattened attributes, and the bodies as JSON text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.recorders.outcome import (
    AROUND,
    OTHER,
    TOOL_RUN,
    NoAnswer,
    content_off,
    head_lost,
)  # fmt: skip
from distil_dag.stages.reading.recorders.pairs import chat_pair, is_empty
from distil_dag.stages.reading.recorders.spans.span import Span, items_of
from distil_dag.stages.reading.strict_values import Unreadable

KIND = "openinference.span.kind"
SETTING = (
    "set OPENINFERENCE_HIDE_INPUTS, OPENINFERENCE_HIDE_OUTPUTS and the settings named like them to false"
)
_HIDDEN = "__REDACTED__"
_GIVEN, _GOT = "llm.input_messages", "llm.output_messages"
_AROUND = frozenset({"AGENT", "CHAIN", "GUARDRAIL", "EVALUATOR", "PROMPT"})


def chat_record(span: Span) -> dict[str, Any] | None:
    """The record of a span of OpenInference; None for any other span.

    Raises:
        Unreadable: content is hidden, or the head of the chat is lost.
        NoAnswer: the span is no call of a model.
    """
    kind = span.get(KIND) or ("LLM" if span.has(_GIVEN, _GOT, f"{_GIVEN}.") else None)
    if kind is None:
        return None
    kind = str(kind).upper()
    if kind != "LLM":
        raise NoAnswer(TOOL_RUN if kind == "TOOL" else AROUND if kind in _AROUND else OTHER)
    given, whole = items_of(span.tree(_GIVEN))
    got, answered = items_of(span.tree(_GOT))
    bodies = {name: span.get(name) for name in ("input.value", "output.value")}
    messages = [_message(one) for one in given]
    answers = [_message(one) for one in got]
    if _HIDDEN in _texts(messages) | _texts(answers):
        raise content_off(SETTING)
    if messages and (not whole or any(not message.get("role") for message in messages)):
        raise head_lost("the numbers of the messages have gaps")
    if not answered:
        raise Unreadable("no response", "the numbers of the answer's messages have gaps")
    ending = {"finish_reason": held} if (held := span.get("llm.finish_reason")) else {}
    if messages and len(answers) > 1:
        body = bodies["output.value"]
        if not isinstance(body, Mapping) or "output" not in body:
            raise Unreadable(
                "several choices", "whether its messages are choices or parts of one is not told"
            )
        items = [{"type": "message", "role": "assistant", **answer} for answer in answers]
        return {"request": {"input": messages}, "response": {"output": items, **ending}}
    if messages and answers:
        choices = [{"message": {"role": "assistant", **answer}, **ending} for answer in answers]
        return {"request": {"messages": messages}, "response": {"choices": choices}}
    if span.failed and not answers:
        raise Unreadable("the request failed", "the span ended in an error")
    if span.dropped and is_empty(bodies["input.value"]):
        raise head_lost("attributes were dropped")
    for name, body in bodies.items():
        if body == _HIDDEN or is_empty(body):
            raise content_off(SETTING)
        if isinstance(body, str) and name == "input.value" and not messages:
            raise content_off(SETTING)
    return chat_pair(
        {"messages": messages} if messages else bodies["input.value"], bodies["output.value"], **ending
    )


def _message(item: Any) -> dict[str, Any]:
    held = item.get("message", item) if isinstance(item, Mapping) else None
    if not isinstance(held, Mapping):
        raise Unreadable("wrong type", "a message of the span is no object")
    held = _nested(held, "message.")
    message = {
        name: held[name]
        for name in ("role", "content", "tool_call_id", "name")
        if not is_empty(held.get(name))
    }
    parts, whole = items_of(held.get("contents"))
    if parts:
        message["content"] = [_part(part) for part in parts]
    calls, all_calls = items_of(held.get("tool_calls"))
    if not (whole and all_calls):
        raise Unreadable("a call that was not logged", "the numbers of the calls have gaps")
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    if not is_empty(held.get("function_call_name")):
        arguments = held.get("function_call_arguments_json") or "{}"
        message["function_call"] = {"name": held["function_call_name"], "arguments": arguments}
    if message.get("role") == "user" and "tool_call_id" in message:
        message["role"] = "tool"
    return message


def _part(part: Any) -> Any:
    held = part.get("message_content", part) if isinstance(part, Mapping) else part
    return _nested(held, "message_content.") if isinstance(held, Mapping) else held


def _call(item: Any) -> dict[str, Any]:
    held = item.get("tool_call", item) if isinstance(item, Mapping) else None
    if not isinstance(held, Mapping):
        raise Unreadable("unreadable call", "a call of the span is no object")
    held = _nested(held, "tool_call.")
    function = held.get("function")
    function = function if isinstance(function, Mapping) else {
        "name": held.get("function.name"), "arguments": held.get("function.arguments")
    }  # fmt: skip
    if "arguments" not in function or function["arguments"] is None:
        raise Unreadable("unreadable call", "its arguments are not logged")
    return {
        "id": held.get("id"),
        "function": {"name": function.get("name"), "arguments": function["arguments"]},
    }


def _nested(held: Mapping[str, Any], prefix: str) -> Mapping[str, Any]:
    """An object whose keys repeat where they stand, as an export of Phoenix writes them."""
    return {key.removeprefix(prefix): value for key, value in held.items()}


def _texts(messages: list[dict[str, Any]]) -> set[str]:
    found = {message["content"] for message in messages if isinstance(message.get("content"), str)}
    for message in messages:
        found |= {str(call["function"]["arguments"]) for call in message.get("tool_calls") or ()}
    return found

"""Messages as events: a log record or a span's event for each message, and one for the answer.

OpenTelemetry's GenAI events (`gen_ai.user.message`, `gen_ai.choice`), those of older conventions
(`gen_ai.content.prompt`), and the numbered attributes of OpenLLMetry (`gen_ai.prompt.0.content`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.recorders.outcome import content_off, head_lost
from distil_dag.stages.reading.recorders.pairs import chat_pair, is_empty, parsed
from distil_dag.stages.reading.recorders.spans.genai import setting_of
from distil_dag.stages.reading.recorders.spans.span import Span, items_of
from distil_dag.stages.reading.strict_values import Unreadable

_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
CHOICE = "gen_ai.choice"
MESSAGES = frozenset({*_ROLES, CHOICE})
"""Names of events that hold one message each."""
_PROMPT, _COMPLETION = "gen_ai.content.prompt", "gen_ai.content.completion"
_ENVELOPES = ("gen_ai.event.content", "event_content", "gen_ai.prompt", "gen_ai.completion")


def chat_record(span: Span) -> dict[str, Any] | None:
    """The record of a span whose messages are events or numbered attributes; None where there are none.

    Raises:
        Unreadable: content is off, or part of the chat is not logged.
    """
    events = [(name, body) for name, body in _named(span) if name in MESSAGES]
    if events:
        return _from_events(span, events)
    whole = dict(span.events)
    if _PROMPT in whole or _COMPLETION in whole:
        given, got = _held(whole.get(_PROMPT)), _held(whole.get(_COMPLETION))
        if is_empty(given) or is_empty(got):
            raise content_off(setting_of(span))
        return chat_pair(given, _completion(got))
    if span.has("gen_ai.prompt.", "gen_ai.completion.", "llm.prompts.", "llm.completions."):
        return _from_numbers(span)
    return None


def _named(span: Span) -> list[tuple[str, Any]]:
    """The events of a span; some recorders keep them as an attribute."""
    if span.event in MESSAGES:
        return [(span.event, span.body if span.body is not None else dict(span.attributes))]
    kept = span.get("events")
    if isinstance(kept, list):
        return [
            (str(one.get("event.name") or one.get("name")), one) for one in kept if isinstance(one, Mapping)
        ]
    return list(span.events)


def _from_events(span: Span, events: list[tuple[str, Any]]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    choices: list[dict[str, Any]] = []
    for name, held in events:
        body = _held(held)
        body = dict(body) if isinstance(body, Mapping) else {"content": body}
        if name == CHOICE:
            choices.append(_choice(body))
            continue
        role = _ROLES[name]
        content = _content(body.get("content"))
        if role == "user" and is_empty(content):
            raise content_off(setting_of(span))
        message = {**_plain(body), "role": role, "content": content}
        if role == "tool":
            message["tool_call_id"] = body.get("tool_call_id") or body.get("id")
        messages.append(message)
    if not choices:
        raise Unreadable("no response", "the event gen_ai.choice is not logged, or far from its request")
    if not any(message["role"] == "user" for message in messages):
        raise content_off(setting_of(span))
    for place, choice in enumerate(choices):
        if place and choice["index"] == choices[0]["index"]:
            raise Unreadable("several choices", "the same choice is logged twice")
    return {"request": {"messages": messages}, "response": {"choices": choices}}


def _choice(body: Mapping[str, Any]) -> dict[str, Any]:
    message = parsed(body.get("message"), "message")
    if not isinstance(message, Mapping):
        # Without an object for the message, its fields stand in the event.
        message = {"content": message if message is not None else body.get("content")}
    message = {**message, "content": _content(message.get("content"))}
    for name in ("tool_calls", "function_call"):
        held = parsed(message.get(name) or body.get(name), name)
        if not is_empty(held):
            message[name] = held
    ending = body.get("finish_reason")
    return {
        "index": body.get("index", 0),
        "message": {**message, "role": "assistant"},
        "finish_reason": ending,
    }


def _from_numbers(span: Span) -> dict[str, Any]:
    """OpenLLMetry before 0.5: `gen_ai.prompt.N.*` and `gen_ai.completion.N.*`."""
    given, whole = items_of(span.tree("gen_ai.prompt") or span.tree("llm.prompts"))
    got, _ = items_of(span.tree("gen_ai.completion") or span.tree("llm.completions"))
    messages = [_numbered(one) for one in given]
    if not whole or any(not message.get("role") for message in messages):
        raise head_lost("the numbers of the messages have gaps")
    if not messages or all(is_empty(one.get("content")) and not one.get("tool_calls") for one in messages):
        raise content_off(setting_of(span))
    if not got:
        raise Unreadable("no response", "no completion is logged")
    choices = [{"message": {**_numbered(one), "role": "assistant"}, "finish_reason": one.get("finish_reason")}
               for one in got if isinstance(one, Mapping)]  # fmt: skip
    return {"request": {"messages": messages}, "response": {"choices": choices}}


def _numbered(message: Any) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise Unreadable("wrong type", "a numbered message is no object")
    calls, whole = items_of(message.get("tool_calls"))
    if not whole:
        raise Unreadable("a call that was not logged", "the numbers of the calls have gaps")
    kept = {key: value for key, value in message.items() if key in ("role", "tool_call_id", "name")}
    for call in calls:
        if not isinstance(call, Mapping) or "arguments" not in call:
            raise Unreadable("unreadable call", "its arguments are not logged")
    found = [
        {"id": call.get("id"), "name": call.get("name"), "arguments": call["arguments"]} for call in calls
    ]
    one = message.get("function_call")
    if isinstance(one, Mapping) and one.get("name"):
        kept["function_call"] = {"name": one["name"], "arguments": one.get("arguments")}
    return {**kept, "content": _content(message.get("content")), **({"tool_calls": found} if found else {})}


def _held(value: Any) -> Any:
    """What an event holds; some keep it as JSON text in an attribute."""
    value = parsed(value, "an event")
    if isinstance(value, Mapping):
        inner = next((value[name] for name in _ENVELOPES if value.get(name) is not None), None)
        return parsed(inner, "an event") if inner is not None else value
    return value


def _completion(got: Any) -> Any:
    if isinstance(got, list) and got and all(isinstance(one, Mapping) for one in got) and "role" in got[0]:
        return [{"message": one, "finish_reason": one.get("finish_reason")} for one in got]
    return got


def _content(value: Any) -> Any:
    """A text, or parts that were written as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            held = parsed(value, "content")
        except Unreadable:
            return value
        blocks = isinstance(held, list) and all(
            isinstance(one, Mapping) and ({"type", "text", "toolUse", "toolResult"} & one.keys())
            for one in held
        )
        return held if blocks else value
    return value


def _plain(body: Mapping[str, Any]) -> dict[str, Any]:
    held = {
        key: value
        for key, value in body.items()
        if key in ("tool_calls", "function_call", "name", "tool_call_id")
    }
    return {key: parsed(value, key) for key, value in held.items() if not is_empty(value)}

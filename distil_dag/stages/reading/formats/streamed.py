"""Streamed answers that were logged as their events: bodies as answers in one piece have them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.logged_calls import from_json_text
from distil_dag.stages.reading.recorders.chunks import completion_of
from distil_dag.stages.reading.strict_values import Unreadable

_REASON = "a streamed answer"
_CONVERSE = ("contentBlockStart", "contentBlockDelta", "messageStop")
_FAILURES = ("error", "exception")
_DONE = "[DONE]"

Event = Mapping[str, Any]


def is_events(value: Any) -> bool:
    """Whether a value is the events of a stream: a list of objects none of which speaks, or text of SSE."""
    if isinstance(value, str):
        return value.lstrip()[:200].startswith(("data: {", "data:{", "event: ", "event:"))
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, Mapping) and "role" not in one for one in value)
        and any(_is_event(_inner(one)) for one in value)
    )


def whole_answer(value: Any) -> Mapping[str, Any]:
    """The body of an answer that its events make up.

    Args:
        value: a list of events of Bedrock (Converse, or the chunks of a model), of Anthropic or of OpenAI; or
            the text of server-sent events that holds them.

    Raises:
        Unreadable: they are of another kind, end early, or say that the answer failed.
    """
    events = _sent(value) if isinstance(value, str) else [_inner(one) for one in value]
    if any(map(_says_failed, events)):
        raise Unreadable("failed answer", "an event of the stream says so")
    if any(name in event for event in events for name in _CONVERSE):
        return _of_converse(events)
    if any(event.get("type") == "message_start" for event in events):
        return _of_anthropic(events)
    answer = completion_of(events)
    if answer is None:
        found = ", ".join(sorted({str(key) for event in events for key in event})[:8])
        raise Unreadable(_REASON, f"its events are of no known kind; have {found[:200]}")
    if not all(choice.get("finish_reason") for choice in answer.get("choices", ())):
        raise _cut()
    return answer


def _says_failed(event: Event) -> bool:
    return event.get("type") == "error" or any(
        held and str(name).lower().endswith(_FAILURES) for name, held in event.items()
    )


def _is_event(event: Event) -> bool:
    return (
        any(name in event for name in (*_CONVERSE, "messageStart"))
        or event.get("object") == "chat.completion.chunk"
        or str(event.get("type")).startswith(("message_", "content_block_", "response."))
    )


def _inner(event: Any) -> Event:
    """An event without the object around it that AWS's library gives; its bytes may be in base64."""
    if not isinstance(event, Mapping):
        raise Unreadable(_REASON, "an event is no object")
    chunk = event.get("chunk")
    held = chunk.get("bytes") if isinstance(chunk, Mapping) else None
    if not isinstance(held, str):
        return event
    if not held.lstrip().startswith("{"):
        try:
            held = base64.b64decode(held, validate=True).decode()
        except (binascii.Error, ValueError):
            raise Unreadable(_REASON, "the bytes of a chunk are neither JSON nor base64") from None
    inner = from_json_text(held, "a chunk")
    return inner if isinstance(inner, Mapping) else event


def _sent(text: str) -> list[Event]:
    events = []
    for line in text.splitlines():
        name, _, data = line.partition(":")
        if name == "data" and data.strip() != _DONE:
            events.append(_inner(from_json_text(data, "an event of the stream")))
    return events


def _of_converse(events: list[Event]) -> Mapping[str, Any]:
    starts: dict[Any, Event] = {}
    deltas: dict[Any, list[Event]] = {}
    ending, usage = None, None
    for event in events:
        if start := _held(event, "contentBlockStart"):
            starts[start.get("contentBlockIndex")] = _held(start, "start")
        if delta := _held(event, "contentBlockDelta"):
            deltas.setdefault(delta.get("contentBlockIndex"), []).append(_held(delta, "delta"))
        ending = _held(event, "messageStop").get("stopReason") or ending
        usage = _held(event, "metadata").get("usage") or usage
    if not ending:
        raise _cut()
    content: list[Any] = []
    for place in sorted({*starts, *deltas}, key=lambda place: place if isinstance(place, int) else 0):
        call, parts = _held(starts.get(place, {}), "toolUse"), deltas.get(place, [])
        if call:
            said = "".join(_text(_held(part, "toolUse"), "input") for part in parts)
            content.append({"toolUse": {**call, "input": _arguments(said)}})
        elif any("text" in part for part in parts):
            content.append({"text": "".join(_text(part, "text") for part in parts)})
        elif any(part.keys() - {"reasoningContent", "citation"} for part in parts):
            raise Unreadable(_REASON, "a block of it is neither text nor a call")
    message = {"role": "assistant", "content": content}
    return {"output": {"message": message}, "stopReason": ending, **({"usage": usage} if usage else {})}


def _of_anthropic(events: list[Event]) -> Mapping[str, Any]:
    answer: dict[str, Any] = {}
    blocks: dict[Any, dict[str, Any]] = {}
    said: dict[Any, str] = {}
    for event in events:
        kind, place, delta = event.get("type"), event.get("index"), _held(event, "delta")
        if kind == "message_start":
            answer |= _held(event, "message")
        elif kind == "content_block_start":
            blocks[place] = dict(_held(event, "content_block"))
        elif kind == "content_block_delta" and place not in blocks:
            raise Unreadable(_REASON, "a block of it has no start")
        elif kind == "content_block_delta" and delta.get("type") == "text_delta":
            blocks[place]["text"] = _text(blocks[place], "text") + _text(delta, "text")
        elif kind == "content_block_delta" and delta.get("type") == "input_json_delta":
            said[place] = said.get(place, "") + _text(delta, "partial_json")
        elif kind == "message_delta":
            answer |= {key: value for key, value in delta.items() if value is not None}
            answer["usage"] = {**_held(answer, "usage"), **_held(event, "usage")}
    if not answer.get("stop_reason"):
        raise _cut()
    for place, block in blocks.items():
        if block.get("type") == "tool_use" and said.get(place):
            block["input"] = _arguments(said[place])
    return {
        **answer,
        "content": [block for _, block in sorted(blocks.items(), key=lambda one: str(one[0]).zfill(6))],
    }


def _held(event: Event, name: str) -> Event:
    value = event.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(part: Event, name: str) -> str:
    value = part.get(name, "")
    if not isinstance(value, str):
        raise Unreadable(_REASON, f"{name} in a part of it is no text")
    return value


def _arguments(said: str) -> Any:
    return from_json_text(said, "the arguments of a call") if said.strip() else {}


def _cut() -> Unreadable:
    return Unreadable("cut answer", "the stream has no end")

"""LibreChat: a conversation as its menu exports it in JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.strict_values import Unreadable

_BRANCHES = "a chat with branches"
_ADVICE = "export it without branches, and not recursively"


def knows(record: Mapping[str, Any]) -> bool:
    """Whether a record is an exported conversation."""
    held = record.get("messages")
    if "conversationId" not in record:
        return False
    return "messagesTree" in record or (
        isinstance(held, list) and any(isinstance(one, Mapping) and "isCreatedByUser" in one for one in held)
    )


def messages_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The turns of a conversation.

    Raises:
        Unreadable: it has branches, or a message is none.
    """
    held = record.get("messages")
    if not isinstance(held, list):
        raise Unreadable(_BRANCHES, _ADVICE)
    turns: list[dict[str, Any]] = []
    before = None
    for one in held:
        if (
            not isinstance(one, Mapping)
            or not isinstance(one.get("isCreatedByUser"), bool)
            or one.get("children")
        ):
            raise Unreadable(_BRANCHES, _ADVICE)
        if before is not None and one.get("parentMessageId") != before:
            raise Unreadable(_BRANCHES, _ADVICE)
        before = one.get("messageId")
        turns += [{"role": "user", "content": one.get("text")}] if one["isCreatedByUser"] else _answer(one)
    return turns


def _answer(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The turns of an answer: its calls and their results stand among its texts."""
    if message.get("error") or message.get("unfinished"):
        raise Unreadable("failed answer", "the export marks it so")
    parts = message.get("content")
    if not isinstance(parts, list) or not parts:
        yield {"role": "assistant", "content": message.get("text")}
        return
    for part in parts:
        call = part.get("tool_call") if isinstance(part, Mapping) else None
        if not isinstance(call, Mapping):
            yield {"role": "assistant", "content": [_text(part)]}
            continue
        function = call["function"] if isinstance(call.get("function"), Mapping) else call
        arguments = function.get("args", function.get("arguments"))
        named = {"id": call.get("id"), "name": function.get("name")}
        yield {"role": "assistant", "content": None, "tool_calls": [{**named, "arguments": arguments}]}
        if (output := function.get("output")) is not None:
            yield {"role": "tool", "tool_call_id": call.get("id"), "content": output}


def _text(part: Any) -> Any:
    """A part whose text stands in an object, as OpenAI's assistants keep it, in the form of the others."""
    if isinstance(part, Mapping) and isinstance(part.get("text"), Mapping):
        return {**part, "text": part["text"].get("value")}
    return {**part, "type": "thinking"} if isinstance(part, Mapping) and part.get("type") == "think" else part

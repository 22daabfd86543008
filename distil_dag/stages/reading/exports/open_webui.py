"""Open WebUI: chats as its settings export them; a call is an HTML element in the text of an answer."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.logged_calls import from_json_text
from distil_dag.stages.reading.strict_values import Unreadable

_DETAILS = re.compile(r"<details type=\"tool_calls\"([^>]*)>.*?</details>", re.DOTALL)
_THOUGHTS = re.compile(r"<details type=\"reasoning\"[^>]*>.*?</details>", re.DOTALL)
_VALUE = re.compile(r"(\w+)=\"([^\"]*)\"")


def knows(record: Mapping[str, Any]) -> bool:
    """Whether a record is an exported chat."""
    chat = record.get("chat")
    history = chat.get("history") if isinstance(chat, Mapping) else None
    return isinstance(history, Mapping) and isinstance(history.get("messages"), Mapping)


def messages_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The turns of a chat, along the branch that was open.

    Raises:
        Unreadable: the branch is broken, or a call in it can't be read.
    """
    history = record["chat"]["history"]
    found: list[Mapping[str, Any]] = []
    place = history.get("currentId")
    while place is not None:
        message = history["messages"].get(place)
        if not isinstance(message, Mapping) or len(found) > len(history["messages"]):
            raise Unreadable("a chat with a broken branch", "a message of it is not in the export")
        found.append(message)
        place = message.get("parentId")
    turns: list[dict[str, Any]] = []
    for message in reversed(found):
        if message.get("role") != "assistant":
            turns.append({"role": message.get("role"), "content": message.get("content")})
            continue
        if message.get("error") or message.get("done") is False:
            raise Unreadable("failed answer", "the export marks it so")
        turns += _answer(message.get("content"))
    return turns


def _answer(content: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(content, str):
        yield {"role": "assistant", "content": content}
        return
    text, start = _THOUGHTS.sub("", content), 0
    for found in _DETAILS.finditer(text):
        if said := text[start : found.start()].strip():
            yield {"role": "assistant", "content": said}
        start = found.end()
        yield from _call(dict(_VALUE.findall(found[1])))
    if (said := text[start:].strip()) or not start:
        yield {"role": "assistant", "content": said}


def _call(values: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    arguments = _json(values.get("arguments", ""), "arguments")
    if not isinstance(arguments, Mapping) or not values.get("name"):
        raise Unreadable(
            "unreadable call", "the element of a call has no name, or arguments that are no object"
        )
    call = {"id": values.get("id"), "name": html.unescape(values["name"]), "arguments": arguments}
    yield {"role": "assistant", "content": None, "tool_calls": [call]}
    if values.get("result"):
        yield {"role": "tool", "tool_call_id": values.get("id"), "content": html.unescape(values["result"])}


def _json(text: str, what: str) -> Any:
    """The value of an attribute, which is JSON, or JSON text of it."""
    value = from_json_text(html.unescape(text), what)
    return from_json_text(value, what) if isinstance(value, str) else value

"""Chats that applications export, brought into turns; those without calls are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.exports import libre_chat, open_webui
from distil_dag.stages.reading.strict_values import Unreadable

MARKS = frozenset({"conversationId", "chat", "mapping", "chat_messages"})
"""Fields of which each exported chat has one."""
_NO_AGENT = "export the log of an agent: chats of this application hold no calls of its tools"


def chat_record(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of an exported chat, as `messages`; None for any other record.

    Raises:
        Unreadable: it has branches, a part that is not read, or comes from an application without tools.
    """
    if libre_chat.knows(record):
        return {**record, "messages": libre_chat.messages_of(record)}
    if open_webui.knows(record):
        return {**record, "chat": None, "messages": open_webui.messages_of(record)}
    if isinstance(record.get("mapping"), Mapping) and "current_node" in record:
        raise Unreadable("an export of ChatGPT", _NO_AGENT)
    if isinstance(record.get("chat_messages"), list) and "uuid" in record:
        raise Unreadable("an export of Claude", _NO_AGENT)
    return None

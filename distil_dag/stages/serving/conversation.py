"""The messages of a request as the turns that a student was trained on: read as a log is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from distil_dag.core.case import Message
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.formats.messages import chat_messages
from distil_dag.stages.reading.tool_results import in_call_order
from distil_dag.stages.reading.turns import Turn, bounded, joined, read_turn


def conversation_of(messages: Iterable[Any], tools: Toolset) -> tuple[Message, ...]:
    """The conversation that messages hold.

    Args:
        messages: messages of a chat completion, as a client sends them.
        tools: by which calls in a text are told from words.

    Raises:
        Unreadable: a message is none, or holds more than text and calls.
    """
    turns = list(bounded(read_turn(raw, tools=tools) for raw in chat_messages(messages)))
    ordered, _ = in_call_order(joined(turns))
    return tuple(_message(turn, tools) for turn in ordered)


def _message(turn: Turn, tools: Toolset) -> Message:
    calls = tuple(map(tools.as_defined, turn.calls))
    return Message(role=turn.role, content=turn.content, tool_calls=calls, result_of=turn.result_of)

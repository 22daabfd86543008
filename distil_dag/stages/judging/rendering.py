"""A trace as plain values: what judges, the committee and the sheet of labels show of it."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.core.case import Message, Trace
from distil_dag.core.tool_call import ToolCall


def conversation(trace: Trace) -> list[dict[str, object]]:
    """The turns of a trace in order, the calls in them included."""
    return [_turn(message) for message in trace.messages]


def answer(trace: Trace, calls: Sequence[ToolCall]) -> dict[str, object]:
    """The calls that answer a trace; with the agent's words where it made none."""
    return {"calls": [_call(call) for call in calls]} | ({} if calls else {"text": trace.text})


def _turn(message: Message) -> dict[str, object]:
    turn: dict[str, object] = {"role": message.role, "content": message.content}
    return turn | ({"calls": [_call(call) for call in message.tool_calls]} if message.tool_calls else {})


def _call(call: ToolCall) -> dict[str, object]:
    return {"name": call.name, "arguments": call.arguments}

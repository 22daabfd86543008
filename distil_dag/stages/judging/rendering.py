"""A trace as plain values, as judges, the committee and the label sheet show it."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.core.case import Message, Trace
from distil_dag.core.conversation import with_results_named
from distil_dag.core.tool_call import ToolCall


def conversation(trace: Trace) -> list[dict[str, object]]:
    """The turns of a trace in order, with the calls in them."""
    return [_turn(message) for message in with_results_named(trace.messages)]


def answer(trace: Trace, calls: Sequence[ToolCall]) -> dict[str, object]:
    """The calls that answer a trace; without calls, the agent's words."""
    return {"calls": [_call(call) for call in calls]} | ({} if calls else {"text": trace.text})


def _turn(message: Message) -> dict[str, object]:
    turn: dict[str, object] = {"role": message.role, "content": message.content}
    return turn | ({"calls": [_call(call) for call in message.tool_calls]} if message.tool_calls else {})


def _call(call: ToolCall) -> dict[str, object]:
    return {"name": call.name, "arguments": call.arguments}

"""Exchanges of a server for tests: a lamp that is switched, by teacher or student."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from distil_dag.stages.serving.exchange import Exchange

BEGIN = datetime(2026, 11, 1, 10, tzinfo=UTC)
TOOL = {
    "type": "function",
    "function": {
        "name": "on",
        "description": "Switch the lamp.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}, "who": {"type": "string"}}},
    },
}


def answer(name: str | None = "on", model: str = "big", **arguments: Any) -> dict[str, Any]:
    """A chat completion that makes one call, or none."""
    message: dict[str, Any] = {"role": "assistant", "content": None if name else "No tool fits."}
    if name:
        function = {"name": name, "arguments": json.dumps(arguments)}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if name else "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": model, "choices": [choice]}


def exchange(number: int = 1, said: str | None = None, **changes: Any) -> Exchange:
    """The exchange of a number, a minute after the one before it; the teacher answers."""
    words = f"Turn on {number}." if said is None else said
    values: dict[str, Any] = {
        "id": f"chatcmpl-{number:05d}",
        "time": BEGIN + timedelta(minutes=number),
        "task": "t",
        "request": {"model": "t", "messages": [{"role": "user", "content": words}], "tools": [TOOL]},
        "response": answer(n=number),
        "answered_by": "teacher",
        "why": "not proved yet",
        "student": "sha256:abc",
        "teacher": "big",
        "tools_digest": "sha256:def",
        "latency_ms": 840.0,
        "prompt_tokens": 120,
        "completion_tokens": 20,
        "cost": 0.5,
    }
    return Exchange(**(values | changes))


def alone(number: int, **changes: Any) -> Exchange:
    """An exchange that the student has answered alone, wrongly."""
    values: dict[str, Any] = {
        "response": answer(model="student", n=-number),
        "answered_by": "student",
        "why": "proved",
        "latency_ms": 90.0,
        "prompt_tokens": None,
        "completion_tokens": None,
        "cost": None,
        "confidence": 0.99,
    }
    return exchange(number, **(values | changes))


def audited(number: int, **changes: Any) -> Exchange:
    """One that the teacher was asked about besides, and says otherwise."""
    values = {"other": answer(n=number), "agrees": False, "audited": True, "why": "audit"}
    return alone(number, **(values | {"prompt_tokens": 120, "completion_tokens": 20, "cost": 0.5} | changes))


def shadowed(number: int, **changes: Any) -> Exchange:
    """One that the teacher has answered, and the student in its shadow."""
    values = {"other": answer(model="student", n=number), "agrees": True, "confidence": 0.7}
    return exchange(number, **(values | changes))

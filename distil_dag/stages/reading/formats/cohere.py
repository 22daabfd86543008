"""Cohere's first chat API: one message with a history beside it, a text and calls as its answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.logged_calls import as_list
from distil_dag.stages.reading.strict_values import Unreadable

_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}
_OF_ANSWERS = ("generation_id", "response_id", "chat_history")

Record = Mapping[str, Any]


def is_pair(request: Any, response: Any) -> bool:
    """Whether a request and its response are those of this API."""
    return (
        isinstance(request, Mapping)
        and isinstance(response, Mapping)
        and isinstance(request.get("message"), str)
        and request.get("messages") is None
        and "text" in response
        and any(name in response for name in _OF_ANSWERS)
    )


def chat_record(record: Record) -> Record:
    """The record as a pair of `request` and `response`.

    Raises:
        Unreadable: a turn is none of this API, or the history is kept elsewhere.
    """
    request, response = record["request"], record["response"]
    if request.get("conversation_id"):
        raise Unreadable("the history is kept elsewhere", "conversation_id names it")
    messages = [{"role": "system", "content": request["preamble"]}] if request.get("preamble") else []
    for turn in as_list(request.get("chat_history") or [], "chat_history"):
        messages += _turns(turn)
    if request["message"]:
        messages.append({"role": "user", "content": request["message"]})
    messages += _results(request, bool(request["message"]))
    answer = {
        "role": "assistant", "content": response["text"], "tool_calls": response.get("tool_calls") or [],
        "finish_reason": response.get("finish_reason"),
    }  # fmt: skip
    model = {"model": request["model"]} if isinstance(request.get("model"), str) else {}
    return {**record, "request": {"messages": messages}, "response": {"message": answer, **model}}


def _turns(turn: Any) -> list[dict[str, Any]]:
    role = turn.get("role") if isinstance(turn, Mapping) else None
    if role == "TOOL":
        return list(_results(turn, False))
    if role not in _ROLES:
        raise Unreadable("unknown role", str(role)[:40])
    found = {"role": _ROLES[role], "content": turn.get("message")}
    return [{**found, "tool_calls": turn["tool_calls"]} if turn.get("tool_calls") else found]


def _results(holder: Record, with_calls: bool) -> Iterator[dict[str, Any]]:
    """Results as turns of tools, behind the calls that they hold where the history has not got these."""
    results = as_list(holder.get("tool_results") or [], "tool_results")
    if not all(isinstance(one, Mapping) and isinstance(one.get("call"), Mapping) for one in results):
        raise Unreadable("unreadable call", "a result of a tool does not say what was called")
    if with_calls and results:
        yield {"role": "assistant", "content": "", "tool_calls": [one["call"] for one in results]}
    for one in results:
        yield {"role": "tool", "name": one["call"].get("name"), "content": one.get("outputs")}

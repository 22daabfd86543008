"""OpenAI's Responses API: items of `input` and `output`, apart or in a stored response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.formats.messages import answer_of, with_system
from distil_dag.stages.reading.logged_calls import from_json_text
from distil_dag.stages.reading.strict_values import Unreadable


def is_output(value: Any) -> bool:
    """Whether a value is a list of output items."""
    return isinstance(value, list) and any(
        isinstance(item, Mapping) and item.get("type") in ("message", "function_call", "reasoning")
        for item in value
    )


def chat_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record as a pair of `request` and `response`; as `messages`, where it has no output of its own.

    Raises:
        Unreadable: part of the conversation is kept elsewhere, or nothing was answered.
    """
    request, response = record.get("request"), record.get("response")
    asked = request if isinstance(request, Mapping) else record
    stored = response if isinstance(response, Mapping) else record
    given = _input(asked if asked.get("input") is not None else stored)
    for holder in (asked, stored):
        # Its turns stand in another record, and an answer to half a conversation is no label.
        if holder.get("previous_response_id") or holder.get("conversation"):
            raise Unreadable("the history is kept elsewhere", "previous_response_id or conversation names it")
    messages = with_system(given, asked.get("instructions"), stored.get("instructions"))
    output = response if isinstance(response, list) else from_json_text(stored.get("output"), "output")
    if output is None and stored is record and isinstance(asked.get("input"), (list, str)):
        return {**record, "messages": messages, "request": None, "response": None}
    if stored.get("error"):
        return {**record, "request": {"messages": messages}, "response": {"error": stored["error"]}}
    if not isinstance(output, list) or not output:
        raise Unreadable("no response", "output holds no item")
    answer = answer_of(output, _ending(stored))
    model = {"model": name} if isinstance(name := stored.get("model") or asked.get("model"), str) else {}
    return {**record, "request": {"messages": messages}, "response": {"message": answer, **model}}


def _input(holder: Mapping[str, Any]) -> list[Any]:
    given = holder.get("input")
    if isinstance(given, str) and given.lstrip().startswith(("[{", '{"')):
        given = from_json_text(given, "input")
    if isinstance(given, Mapping):
        given = [given]
    if isinstance(given, list):
        return given
    if given is None:
        raise Unreadable("no request", "input is not logged with the output")
    return [{"role": "user", "content": given}]


def _ending(stored: Mapping[str, Any]) -> dict[str, Any]:
    """How a response ended, as a chat completion would say it."""
    status, details = stored.get("status"), stored.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    if status in (None, "completed"):
        return {"finish_reason": reason} if reason else {}
    return {"finish_reason": reason or status}

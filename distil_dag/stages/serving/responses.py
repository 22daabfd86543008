"""OpenAI's Responses API, as far as agents call tools by it: brought into chat completions, and back.

Nothing is stored here, so a student's response can't be gone on from by its id.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.formats.messages import answer_of, chat_messages
from distil_dag.stages.reading.recorders.chunks import completion_of
from distil_dag.stages.reading.strict_values import Unreadable
from distil_dag.stages.serving.completions import data_of
from distil_dag.stages.serving.dialects import json_object
from distil_dag.stages.serving.refusals import ApiError

_OURS, _CHAT = "resp_dd", "chatcmpl-"
# What an answer of calls is right with, whatever it says; all others reach the abilities under their names.
_HARMLESS = frozenset(
    {"instructions", "input", "text", "include", "truncation", "reasoning", "max_output_tokens"}
)
_USAGE = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
}
_TOLD = ("instructions", "max_output_tokens", "metadata", "temperature", "top_p", "user")


class Responses:
    """`/v1/responses`; see :class:`~distil_dag.stages.serving.dialects.Dialect`."""

    path = "/responses"

    def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The chat completion that a request stands for."""
        given = body.get("input")
        if not isinstance(given, (str, list)) or not given:
            raise ApiError(400, "input must be a text, or a list with one item at least", param="input")
        if str(body.get("previous_response_id") or "").startswith(_OURS):
            raise ApiError(
                400,
                "answers of a student are not stored: send the conversation as `input`",
                "previous_response_not_found",
                "previous_response_id",
            )
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        if body.get("instructions"):
            items = [{"role": "system", "content": body["instructions"]}, *items]
        found = {key: value for key, value in body.items() if key not in _HARMLESS}
        text = body.get("text")
        form = text.get("format") if isinstance(text, Mapping) else text
        if form:
            found["response_format"] = form
        if body.get("max_output_tokens") is not None:
            found["max_completion_tokens"] = body["max_output_tokens"]
        if isinstance(body.get("tools"), list):
            found["tools"] = list(map(_nested, body["tools"]))
        return {**found, "messages": _messages(items)}

    def whole(self, completion: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A response, done."""
        return _response(completion, body, "completed", _items(completion))

    def stream(self, completion: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[bytes]:
        """Its events, numbered."""
        items = _items(completion)
        begun = _response(completion, body, "in_progress", [])
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": begun},
            {"type": "response.in_progress", "response": begun},
        ]
        for place, item in enumerate(items):
            at = {"output_index": place}
            opened = {**item, "status": "in_progress", **_empty(item)}
            events.append({"type": "response.output_item.added", **at, "item": opened})
            events += [{**event, **at, "item_id": item["id"]} for event in _parts(item)]
            events.append({"type": "response.output_item.done", **at, "item": item})
        done = _response(completion, body, "completed", items)
        for number, event in enumerate([*events, {"type": "response.completed", "response": done}]):
            data = json.dumps({**event, "sequence_number": number}, ensure_ascii=False, separators=(",", ":"))
            yield f"event: {event['type']}\ndata: {data}\n\n".encode()

    def completion(self, answer: bytes, streamed: bool) -> Mapping[str, Any] | None:
        """The chat completion that a teacher's response, or its events, stand for."""
        try:
            response = completion_of(data_of(answer)) if streamed else json_object(answer)
            if not response or not isinstance(response.get("output"), list):
                return None
            message = _with_functions(answer_of(response["output"], response))
        except Unreadable:
            return None
        finish = "tool_calls" if message.get("tool_calls") else "stop"
        if response.get("status") != "completed":
            finish = "length"
        usage = response.get("usage") or {}
        return {
            "id": response.get("id"),
            "object": "chat.completion",
            "created": response.get("created_at"),
            "model": response.get("model"),
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {chat: usage.get(own) for chat, own in _USAGE.items()},
        }


def _messages(items: list[Any]) -> list[Any]:
    try:
        return list(map(_with_functions, chat_messages(items)))
    except Unreadable:
        return items  # which are told from readable ones where they are read


def _with_functions(message: Any) -> Any:
    """A message whose calls stand as chat completions have them."""
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    if not isinstance(calls, list):
        return message
    return {**message, "tool_calls": [_as_function(call) for call in calls]}


def _as_function(call: Any) -> Any:
    if not isinstance(call, Mapping) or "function" in call:
        return call
    called = {key: call.get(key) for key in ("name", "arguments")}
    return {"id": call.get("id"), "type": "function", "function": called}


def _nested(tool: Any) -> Any:
    """A function as chat completions have it; another tool as it is."""
    if not isinstance(tool, Mapping) or tool.get("type") != "function" or "function" in tool:
        return tool
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


def _items(completion: Mapping[str, Any]) -> list[dict[str, Any]]:
    message = completion["choices"][0]["message"]
    if not message.get("tool_calls"):
        part = {"type": "output_text", "text": message["content"], "annotations": [], "logprobs": []}
        named = {"id": f"msg_{secrets.token_hex(16)}", "type": "message", "status": "completed"}
        return [{**named, "role": "assistant", "content": [part]}]
    return [
        {
            "id": f"fc_{secrets.token_hex(16)}",
            "type": "function_call",
            "status": "completed",
            "call_id": call["id"],
            **call["function"],
        }
        for call in message["tool_calls"]
    ]


def _empty(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"arguments": ""} if item["type"] == "function_call" else {"content": []}


def _parts(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if item["type"] == "function_call":
        arguments, called = item["arguments"], "response.function_call_arguments"
        yield {"type": f"{called}.delta", "delta": arguments}
        yield {"type": f"{called}.done", "name": item["name"], "arguments": arguments}
        return
    (part,) = item["content"]
    at = {"content_index": 0}
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
    yield {"type": "response.output_text.delta", **at, "delta": part["text"], "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}


def _response(
    completion: Mapping[str, Any], body: Mapping[str, Any], status: str, items: list[dict[str, Any]]
) -> dict[str, Any]:
    usage = completion["usage"]
    return {
        **{name: body.get(name) for name in _TOLD},
        "id": completion["id"].replace(_CHAT, _OURS, 1),
        "object": "response",
        "created_at": completion["created"],
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": completion["model"],
        "output": items,
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "text": {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "truncation": "disabled",
        "usage": {
            **{own: usage[chat] for chat, own in _USAGE.items()},
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        if status == "completed"
        else None,
    }

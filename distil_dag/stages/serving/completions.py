"""A student's calls as OpenAI's chat completions, whole and streamed, and a streamed answer put together."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from distil_dag.core.tool_call import NO_CALL_TEXT, ToolCall
from distil_dag.stages.reading.recorders.chunks import completion_of
from distil_dag.stages.reading.strict_values import Unreadable, parse_json

DONE = b"data: [DONE]\n\n"


def completion(
    calls: Sequence[ToolCall], *, created: int, model: str, identity: str, tokens: tuple[int, int]
) -> dict[str, Any]:
    """The body of an answer.

    Args:
        calls: what the student calls; without any, it says that no tool fits.
        created: the time, in seconds since 1970.
        model: as the client calls it.
        identity: of the student's file.
        tokens: of prompt and answer.
    """
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if calls else NO_CALL_TEXT,
        "refusal": None,
    }
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{secrets.token_hex(12)}",
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": json.dumps(call.arguments, ensure_ascii=False),
                },
            }
            for call in calls
        ]
    finish = "tool_calls" if calls else "stop"
    return {
        "id": f"chatcmpl-{secrets.token_hex(16)}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "system_fingerprint": identity,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "total_tokens": sum(tokens),
        },
    }


def events(answer: Mapping[str, Any], with_usage: bool) -> Iterator[bytes]:
    """An answer of :func:`completion` as server-sent events, in OpenAI's order.

    Args:
        answer: the body.
        with_usage: whether a last chunk tells the tokens.
    """
    kept = {key: answer[key] for key in ("id", "created", "model", "system_fingerprint")}
    head = {**kept, "object": "chat.completion.chunk", **({"usage": None} if with_usage else {})}
    choice = answer["choices"][0]
    for delta in _deltas(choice["message"]):
        yield event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if with_usage:
        yield event({**head, "choices": [], "usage": answer["usage"]})
    yield DONE


def event(data: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def assembled(stream: bytes) -> dict[str, Any] | None:
    """The chat completion that a stream of server-sent events holds, with its id and its usage.

    Args:
        stream: all of the body.

    Returns:
        None for a stream that ended early, or that can't be read.
    """
    try:
        chunks = data_of(stream)
        found = completion_of(chunks)
    except Unreadable:
        return None
    ended = stream.rstrip().endswith(b"[DONE]")
    # Some servers forget the end mark; then the reason of the end has to stand there.
    if found is None or not (ended or all(choice["finish_reason"] for choice in found["choices"])):
        return None
    first = {key: chunk[key] for chunk in chunks for key in ("id", "created") if chunk.get(key)}
    usage = next((chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage")), None)
    return {"object": "chat.completion", **first, **found, **({"usage": usage} if usage else {})}


def data_of(stream: bytes) -> list[dict[str, Any]]:
    """The objects that a stream of server-sent events holds.

    Args:
        stream: all of the body; data of one event stand in one line, as all servers write them.

    Raises:
        Unreadable: an event is no JSON object.
    """
    found = []
    for line in stream.splitlines():
        data = line.removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
        if data and data != b"[DONE]":
            found.append(parse_json(data))
    if not all(isinstance(one, dict) for one in found):
        raise Unreadable("a streamed answer", "an event is no object")
    return found


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    calls = message.get("tool_calls")
    if not calls:
        yield {"role": "assistant", "content": "", "refusal": None}
        yield {"content": message["content"]}
        return
    for index, call in enumerate(calls):
        role = {"role": "assistant", "content": None} if index == 0 else {}
        opened = {**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
        yield {**role, "tool_calls": [opened]}
        rest = {"index": index, "function": {"arguments": call["function"]["arguments"]}}
        yield {"tool_calls": [rest]}

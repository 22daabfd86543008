"""The chunks of a streamed answer -> the completion that they make up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from distil_dag.stages.reading.strict_values import Unreadable


def completion_of(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The chat completion of chunks; of the Responses API, the response that its last event holds.

    Args:
        chunks: the events of one answer, in order.

    Returns:
        The body as an answer that is not streamed has it; None where the chunks are of another kind.

    Raises:
        Unreadable: the calls in them can't be told apart.
    """
    choices: dict[int, dict[str, Any]] = {}
    model = None
    for chunk in chunks:
        if str(chunk.get("type")) in ("response.completed", "response.incomplete", "response.failed"):
            held = chunk.get("response")
            return dict(held) if isinstance(held, Mapping) else None
        model = model or chunk.get("model")
        for part in _list(chunk.get("choices")):
            index = part.get("index") or 0
            if not isinstance(index, int):
                raise Unreadable("a streamed answer", "a choice of it has no number")
            _add(choices.setdefault(index, _choice()), part)
    if not choices:
        return None
    return {"model": model, "choices": [_whole(choices[index]) for index in sorted(choices)]}


def _choice() -> dict[str, Any]:
    return {"texts": [], "refusals": [], "calls": {}, "finish_reason": None, "function": None}


def _add(choice: dict[str, Any], part: Mapping[str, Any]) -> None:
    delta = part.get("delta")
    delta = delta if isinstance(delta, Mapping) else {}
    choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
    for name, key in (("content", "texts"), ("refusal", "refusals")):
        if isinstance(delta.get(name), str):
            choice[key].append(delta[name])
    for call in _list(delta.get("tool_calls")):
        _add_call(choice["calls"], call)
    if isinstance(delta.get("function_call"), Mapping):
        choice["function"] = choice["function"] or {"name": "", "arguments": ""}
        for key in ("name", "arguments"):
            choice["function"][key] += _text(delta["function_call"].get(key))


def _add_call(calls: dict[int, dict[str, str]], part: Mapping[str, Any]) -> None:
    function = part.get("function")
    function = function if isinstance(function, Mapping) else {}
    place = part.get("index")
    if not isinstance(place, int):
        # Some services send each call whole, and number none of them.
        place = len(calls) if function.get("name") or not calls else max(calls)
    call = calls.setdefault(place, {"id": "", "name": "", "arguments": ""})
    # Services repeat the id and the name in each chunk, or send them once.
    call["id"] = call["id"] or str(part.get("id") or "")
    call["name"] = call["name"] or str(function.get("name") or "")
    call["arguments"] += _text(function.get("arguments"))


def _list(value: Any) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise Unreadable("a streamed answer", "a part of it is no list of objects")
    return value


def _text(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise Unreadable("a streamed answer", "a part of a call is no text")
    return value or ""


def _whole(choice: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(choice["texts"]) or None}
    if choice["refusals"]:
        message["refusal"] = "".join(choice["refusals"])
    if choice["calls"]:
        message["tool_calls"] = [
            {"id": call["id"], "function": {"name": call["name"], "arguments": call["arguments"]}}
            for _, call in sorted(choice["calls"].items())
        ]
    if choice["function"]:
        message["function_call"] = choice["function"]
    return {"message": message, "finish_reason": choice["finish_reason"]}

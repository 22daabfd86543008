"""What went into a model and what came out, in any shape that recorders keep -> request and response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distil_dag.stages.reading.endings import KEYS as ENDINGS
from distil_dag.stages.reading.formats import responses_api
from distil_dag.stages.reading.formats.messages import with_system
from distil_dag.stages.reading.logged_calls import from_json_text
from distil_dag.stages.reading.strict_values import Unreadable

# Objects around what a model said, with nothing else in them.
_AROUND = ("output", "response", "result", "message", "completion", "value", "data", "raw", "return_value")
_SYSTEMS = ("system", "system_prompt", "instructions", "system_instruction")
_PARTS = frozenset({"text", "tool_use", "tool_call", "tool-call", "thinking", "reasoning", "output_text"})


def parsed(value: Any, what: str = "a value") -> Any:
    """The value that a text of JSON holds; any other text, and what is no text, as it is.

    Raises:
        Unreadable: the text begins as JSON does, and is none.
    """
    if isinstance(value, str) and value.lstrip()[:2] in (
        '{"',
        "[{",
        "[[",
        '"{',
        '"[',
        "{}",
        "[]",
        "{\n",
        "[\n",
    ):
        inner = from_json_text(value, what)
        return parsed(inner, what) if isinstance(inner, str) and inner != value else inner
    return value


def is_empty(value: Any) -> bool:
    """Whether a value holds nothing, not even the number 0."""
    return value is None or (isinstance(value, (str, list, tuple, dict)) and not value)


def chat_pair(given: Any, got: Any, **more: Any) -> dict[str, Any]:
    """The record of a request and its response.

    Args:
        given: what went into the model, or JSON text of it.
        got: what came out.
        more: other fields of the record.

    Raises:
        Unreadable: one of them holds no messages.
    """
    got = _unwrapped(_typed(parsed(got, "the output")))
    asked = _request(_typed(parsed(given, "the input")), more.pop("instructions", None))
    if _are_items(got):
        got = {"output": got}
    response = _response(got)
    if responses_api.is_output(response.get("output")) and "messages" in asked:
        asked = {**asked, "input": asked["messages"], "messages": None}
    return {**more, "request": asked, "response": response}


def _typed(value: Any) -> Any:
    """The value that is kept with its type beside it, as LangWatch does."""
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(one, Mapping) and one.keys() == {"type", "value"}:
        return parsed(one["value"], "value")
    return value


def _request(given: Any, instructions: Any) -> Mapping[str, Any]:
    if isinstance(given, str):
        return {"messages": with_system([{"role": "user", "content": given}], instructions)}
    if isinstance(given, Sequence):
        messages = _batch_of_one(list(given))
        if messages and all(isinstance(one, str) for one in messages) and len(messages) == 1:
            messages = [{"role": "user", "content": messages[0]}]
        return {"messages": with_system(messages, instructions)}
    if not isinstance(given, Mapping):
        raise Unreadable("no request", "the input is not logged")
    for name in ("messages", "input", "contents", "prompt", "kwargs", "request", "body"):
        held = parsed(given.get(name), name)
        if is_empty(held):
            continue
        nested = name == "input" and isinstance(held, Mapping) and "messages" in held
        if nested or name in ("kwargs", "request", "body"):
            return _request(held, instructions)
        if name == "contents":
            config = given.get("config")
            return {**config, **given} if isinstance(config, Mapping) else given
        systems = [parsed(given.get(key), key) for key in _SYSTEMS]
        if name == "input":
            return {
                **given,
                "input": held,
                "instructions": next(filter(None, [*systems, instructions]), None),
            }
        found = _request(held, None)["messages"] if not isinstance(held, Mapping) else [held]
        return {**given, "messages": with_system(found, *systems, instructions), **dict.fromkeys(_SYSTEMS)}
    if "role" in given and "content" in given:
        return {"messages": with_system([given], instructions)}
    raise Unreadable(
        "no request", f"the input holds no messages; has {', '.join(sorted(map(str, given))[:8])[:200]}"
    )


def _response(got: Any) -> Mapping[str, Any]:
    if isinstance(got, str):
        # Whether calls were made beside it stands elsewhere, or nowhere.
        raise Unreadable(
            "only a text at the end of a span", "its calls, if there are any, are not in the record"
        )
    if isinstance(got, list):
        got = _batch_of_one(got)
        if not got or not all(isinstance(one, Mapping) for one in got):
            raise Unreadable("no response", "the output holds no message")
        if any("message" in one for one in got):
            return {"choices": got}
        if all(one.get("type") in _PARTS and "role" not in one for one in got):
            return {"message": {"role": "assistant", "content": got}}
        return {"message": got[0]} if len(got) == 1 else {"output": got}
    if not isinstance(got, Mapping):
        raise Unreadable("no response", "the output is not logged")
    if isinstance(got.get("generations"), list):
        return _response(got["generations"])
    if isinstance(got.get("content"), Mapping) and "parts" in got["content"]:
        return {"candidates": [got]}
    if isinstance(got.get("messages"), list) and "role" not in got:
        answer = list(got["messages"])
        while len(answer) > 1 and _speaker(answer[0]) != "assistant":
            answer.pop(0)
        return {"message": answer[-1]}
    return got


def _unwrapped(got: Any, level: int = 0) -> Any:
    """An output without objects around it that hold nothing else."""
    if (
        isinstance(got, list)
        and len(got) == 1
        and isinstance(got[0], Mapping)
        and got[0].get("object") == "response"
    ):
        return got[0]
    if isinstance(got, Mapping) and got.get("type") in ("function_call", "message") and "kwargs" not in got:
        return [got]
    if isinstance(got, Mapping) and level < 3:
        held = [key for key, value in got.items() if not is_empty(value) and key not in ENDINGS]
        if len(held) == 1 and held[0] in _AROUND:
            inner = parsed(got[held[0]], held[0])
            if (
                isinstance(inner, (Mapping, list))
                and held[0] != "message"
                and not responses_api.is_output(inner)
            ):
                return _unwrapped(inner, level + 1)
    return got


def _are_items(got: Any) -> bool:
    return isinstance(got, list) and responses_api.is_output(got)


def _batch_of_one(values: list[Any]) -> list[Any]:
    """What a batch of one holds, as LangChain logs it."""
    while len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    return values


def _speaker(message: Any) -> str:
    if not isinstance(message, Mapping):
        return ""
    held = inner if isinstance(inner := message.get("kwargs"), Mapping) else message
    said = held.get("role") or held.get("type")
    return "assistant" if said in ("assistant", "ai", "AIMessageChunk", "model") else str(said)

"""ShareGPT rows: `conversations` of turns with `from` and `value`; ToolACE and Hermes rows are among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.formats.messages import with_system
from distil_dag.stages.reading.logged_calls import as_list, from_json_text
from distil_dag.stages.reading.strict_values import Unreadable

_SPEAKERS = {
    "human": "user", "user": "user",
    "gpt": "assistant", "assistant": "assistant", "model": "assistant", "chatgpt": "assistant",
    "bot": "assistant", "bing": "assistant", "bard": "assistant",
    "system": "system",
    "function_call": "call", "tool_call": "call", "tool_calls": "call", "function-call": "call",
    "observation": "tool", "tool": "tool", "function": "tool", "function_response": "tool",
    "tool_response": "tool", "function-response": "tool", "ipython": "tool",
}  # fmt: skip
_RESULT = re.compile(r"\s*<tool_response>\s*(.*?)\s*</tool_response>\s*", re.DOTALL)
# A list of calls in Python's notation; ToolACE's tools may have spaces in their names.
_CALL_LIST = re.compile(r"\s*\[\s*[A-Za-z_][^\[\](){}=,\"'\n]{0,200}\(.*\)\s*\]\s*\Z", re.DOTALL)


def chat_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record as one of `messages`.

    Raises:
        Unreadable: a turn is none, or an unknown speaker says it.
    """
    name = "conversation" if record.get("conversations") is None else "conversations"
    turns = [message for turn in as_list(record.get(name), name) for message in _messages(turn)]
    system = record.get("system") or record.get("system_prompt")
    return {**record, "messages": with_system(turns, system)}


def _messages(turn: Any) -> Iterator[Any]:
    if not isinstance(turn, Mapping) or "from" not in turn:
        yield turn
        return
    said, value = turn["from"], turn.get("value")
    role = _SPEAKERS.get(said) if isinstance(said, str) else None
    weight = {"weight": turn["weight"]} if "weight" in turn else {}
    if role is None:
        raise Unreadable("unknown role", str(said)[:40])
    if role == "call":
        yield {"role": "assistant", "content": None, **_calls(value), **weight}
    elif role == "assistant" and isinstance(value, str) and _CALL_LIST.match(value):
        yield {"role": role, "content": value, "finish_reason": "function_call", **weight}
    elif role == "tool" and isinstance(value, str) and (results := _results(value)):
        yield from ({"role": role, "content": result} for result in results)
    else:
        yield {"role": role, "content": value, **weight}


def _calls(value: Any) -> dict[str, Any]:
    """The fields of a turn that is a call: JSON of one or of several, or a text that spells them."""
    if isinstance(value, str) and not value.lstrip().startswith(("{", "[{")):
        return {"content": value, "finish_reason": "function_call"}
    calls = from_json_text(value, "value")
    if not calls:
        raise Unreadable("unreadable call", "the turn of a call holds none")
    return {"tool_calls": calls if isinstance(calls, list) else [calls]}


def _results(value: str) -> list[str]:
    results = _RESULT.findall(value)
    return results if results and not _RESULT.sub("", value).strip() else []

"""Content in parts: its text, the calls that stand among them, and no thoughts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from distil_dag.stages.reading.strict_values import Unreadable, check_json, clean_text

_TEXT = ("text", "input_text", "output_text", "refusal")
_THOUGHTS = ("thinking", "reasoning", "redacted_thinking", "thought", "reasoning_content")
_CALLS = (
    "tool_use", "tool_call", "tool-call", "toolCall", "function_call", "functionCall", "dynamic-tool",
    "tool-invocation",
)  # fmt: skip
RESULTS = ("tool_call_response", "tool_result", "tool-result", "function_response", "function_call_output")
_HOLDERS = ("functionCall", "function_call", "toolUse", "toolInvocation", "tool_call")
# Parts that keep a call together with its result.
_BOTH = ("dynamic-tool", "tool-invocation")
# Where they keep the result; of a call, it says nothing.
_RESULT_KEYS = ("response", "result", "output", "content", "errorText")
# Parts that say nothing.
_SIGNS = ("step-start", "step-finish", "start-step", "finish-step", "source-url", "cache_point")


def read_parts(parts: Iterable[Any]) -> tuple[str, list[Any]]:
    """The text of parts, one line each, and the calls among them as they were logged.

    Raises:
        Unreadable: a part is neither text nor a call.
    """
    lines: list[str] = []
    calls: list[Any] = []
    for part in parts:
        if isinstance(part, str):
            lines.append(clean_text(part, "content"))
            continue
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        if not isinstance(part, dict):
            raise Unreadable("not text", f"content holds {str(kind)[:40]}")
        if kind in _THOUGHTS or part.get("thought") is True or kind in _SIGNS:
            continue
        if (call := _call(part, kind)) is not None:
            calls.append(call)
        elif kind in RESULTS:
            lines.append(_result(part))
        elif kind in _TEXT or (kind is None and isinstance(part.get("text"), str)):
            lines.append(clean_text(part.get("text", part.get("refusal", part.get("content"))), "content"))
        else:
            raise Unreadable("not text", f"content holds {str(kind)[:40]}")
    return "\n".join(lines), calls


def tool_name(holder: Mapping[str, Any]) -> str:
    """The name of the tool that a logged result comes from; empty where it does not say."""
    found = (holder.get(key) for key in ("tool_name", "toolName", "name"))
    return next((name for name in found if isinstance(name, str)), "")


def read_result(value: Any) -> str:
    """The text of a tool's result: text and parts of text as they are, any other value as compact JSON.

    Raises:
        Unreadable: it is neither.
    """
    if value is None or isinstance(value, str):
        return clean_text(value or "", "content")
    kinds = (*_TEXT, *RESULTS, *_THOUGHTS)
    listed = value if isinstance(value, list) else []
    if listed and all(isinstance(one, Mapping) and one.get("type") in kinds for one in listed):
        return read_parts(listed)[0]
    check_json(value, "content")
    return clean_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")), "content")


def without_result(call: Any) -> Any:
    """A logged call without what its tool gave back."""
    if not isinstance(call, dict):
        return call
    return {key: value for key, value in call.items() if key not in _RESULT_KEYS}


def _call(part: Mapping[str, Any], kind: Any) -> Any:
    """The call that a part holds; None where it holds none."""
    for name in _HOLDERS:
        if isinstance(part.get(name), dict):
            return without_result(part[name]) if name == "toolInvocation" else part[name]
    if kind in _CALLS:
        return without_result(part) if kind in _BOTH else part
    if isinstance(kind, str) and kind.startswith("tool-") and ("input" in part or "args" in part):
        return {"name": kind.removeprefix("tool-"), "input": part.get("input", part.get("args"))}
    return None


def _result(part: Mapping[str, Any]) -> str:
    value = next((part[key] for key in _RESULT_KEYS if part.get(key) is not None), "")
    return read_result(value)

"""One call as an object: the keys under which services and models keep its name and its arguments.

A key that is neither of these nor known to be harmless is an error: a call that loses its arguments would
teach a wrong answer.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from pydantic_core import from_json

from distil_dag.core.tool_call import NAMESPACE, ToolCall

NAME_KEYS = (
    "name", "tool_name", "toolName", "function_name", "functionName", "tool", "function", "action",
    "recipient_name",
)  # fmt: skip
ARGUMENT_KEYS = (
    "arguments", "args", "parameters", "input", "params", "tool_input", "toolInput", "action_input",
    "tool_args", "toolArgs", "tool_arguments", "function_args", "function_arguments", "kwargs",
)  # fmt: skip
# Objects that hold one call, and lists that hold several.
_WRAPPERS = ("function", "functionCall", "function_call", "toolUse", "tool_use", "tool_call", "toolCall")
_ARGUMENTS = frozenset(ARGUMENT_KEYS)
_WRAPPER_KEYS = frozenset(_WRAPPERS)
LISTS = ("tool_calls", "toolCalls", "function_calls", "tool_uses", "calls")
HARMLESS_KEYS = frozenset(
    {
        "id", "type", "index", "call_id", "callId", "tool_call_id", "toolCallId", "tool_use_id", "toolUseId",
        "tool_id",
        "status", "state", "object", "description", "_type", "thought_signature", "thoughtSignature",
        "provider_executed", "providerExecuted", "provider_metadata", "providerMetadata", "providerOptions",
        "provider_specific_fields", "extra_content", "extras", "caller", "cache_control", "dynamic", "step",
        "created_by", "response_id",
    }
)  # fmt: skip
"""Keys of a call that say nothing of what is called, or with what."""


_NOTHING: tuple[Any, ...] = (None, "", {}, [])

DECODER = json.JSONDecoder(strict=False)
"""Reads what models write: a raw line break inside a text means a line break."""


def read_call(value: Any) -> ToolCall:
    """The call that an object holds, under any keys in use.

    Args:
        value: parsed JSON; the arguments may be JSON text.

    Raises:
        ValueError: when it is no call, or holds more than a name and arguments; it says what.
    """
    if not isinstance(value, dict):
        raise ValueError(f"a tool call must be an object, found {type(value).__name__}")
    for wrapper in _WRAPPER_KEYS.intersection(value):
        if not isinstance(value[wrapper], dict):
            continue
        call = read_call(value[wrapper])
        outer = value.get("name")
        _refuse(leftovers(value, {wrapper, *(("name",) if outer == call.name else ())}), call.name)
        return call
    name_of = name_key(value)
    if name_of is None:
        raise ValueError("a tool call needs a non-empty string `name`")
    name = value[name_of]
    _refuse([key for key in leftovers(value, _ARGUMENTS) if key != name_of], name)
    kept: list[dict[str, Any]] = []
    for key in ARGUMENT_KEYS:
        if key in value and key != name_of and (arguments := read_arguments(value[key], name, key)):
            kept.append(arguments)
    if len(kept) > 1 and any(arguments != kept[0] for arguments in kept):
        raise ValueError(f"{name!r} has different arguments under two keys")
    return ToolCall(name=name, arguments=kept[0] if kept else {})


def read_arguments(value: Any, name: str, key: str = "arguments") -> dict[str, Any]:
    """The arguments that a value holds: an object, JSON text of one, or nothing.

    Args:
        value: parsed JSON.
        name: the tool, for the error.
        key: where the value stood, for the error.

    Raises:
        ValueError: when they are no object.
    """
    if isinstance(value, str) and value.strip():
        try:
            value = _parsed(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"`{key}` of {name!r} is not JSON: {error}") from None
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"`{key}` of {name!r} must be an object")
    return value


def _parsed(text: str) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError):  # TypeError: a text with half a surrogate pair
        return DECODER.decode(text)


def name_key(value: Mapping[str, Any]) -> str | None:
    """The key under which an object names a tool; None without one."""
    for key in NAME_KEYS:
        if key in value and isinstance(value[key], str) and value[key]:
            return key
    return None


def leftovers(value: Mapping[str, Any], taken: Collection[str | None]) -> list[str]:
    """Keys of a call that hold something and are neither taken nor harmless."""
    return [
        str(key)
        for key, item in value.items()
        if key not in HARMLESS_KEYS and key not in taken and item not in _NOTHING
    ]


def calls_in(value: Any, tools: Collection[str] | None) -> list[ToolCall] | None:
    """The calls that a JSON value spells.

    Args:
        value: parsed JSON.
        tools: names of the known tools; None where nothing is known.

    Returns:
        The calls, in order; None where the value is data and no call.

    Raises:
        ValueError: the value spells a call that can't be read.
    """
    if isinstance(value, list):
        found = [calls_in(item, tools) for item in value if isinstance(item, dict)]
        if len(found) != len(value) or (value and all(calls is None for calls in found)):
            return None
        if any(calls is None for calls in found):
            raise ValueError("some objects of the list are calls, others are not")
        return [call for calls in found for call in calls or ()]
    if not isinstance(value, dict):
        return None
    for key in LISTS:
        if isinstance(value.get(key), list):
            return [read_call(item) for item in value[key]]
    if any(isinstance(value.get(key), dict) for key in _WRAPPERS):
        inner = next(value[key] for key in _WRAPPERS if isinstance(value.get(key), dict))
        return [read_call(value)] if name_key(inner) else None
    return [read_call(value)] if _is_call(value, tools) else None


def _is_call(value: dict[str, Any], tools: Collection[str] | None) -> bool:
    """Whether an object is meant as a call; an unknown name needs the looks of one."""
    key = name_key(value)
    if key is None:
        named = tools is not None and any(isinstance(item, str) and item in tools for item in value.values())
        given = any(isinstance(value.get(name), dict) for name in ARGUMENT_KEYS)
        if given and (named or not leftovers(value, ARGUMENT_KEYS)):
            raise ValueError("arguments without the name of a tool")
        return False
    if tools is None or value[key] in tools or value[key].removeprefix(NAMESPACE) in tools:
        return True
    if leftovers(value, {key, *ARGUMENT_KEYS}):
        return False
    try:
        read_call(value)
    except ValueError:
        return False
    return key == "name" or any(name in value for name in ARGUMENT_KEYS)


def _refuse(keys: list[str], name: str) -> None:
    if keys:
        shown = ", ".join(key[:40] for key in keys[:5])
        raise ValueError(f"{name!r} holds more than a name and `arguments`: {shown}")

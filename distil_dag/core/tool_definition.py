"""A tool as providers define it: under which keys they keep the schema, and which keys mean nothing here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SCHEMA_KEYS = (
    "parameters", "inputSchema", "input_schema", "parametersJsonSchema", "parameters_json_schema",
)  # fmt: skip
_WRAPPERS = ("function", "toolSpec")
_KEPT = ("name", "description", "type")
# Keys that say nothing of what may be called, and with what.
UNUSED_KEYS = frozenset(
    {
        "strict", "title", "annotations", "outputSchema", "output_schema", "_meta", "icons", "execution",
        "cache_control", "id", "server", "input_examples", "examples", "response", "responseJsonSchema",
        "response_json_schema", "behavior",
        "defer_loading", "allowed_callers", "eager_input_streaming",
    }
)  # fmt: skip


def tool_body(tool: Mapping[str, Any]) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """Where a definition keeps name and schema: the steps to that object, and the object."""
    for key in _WRAPPERS:
        if isinstance(tool.get(key), Mapping):
            return (key,), tool[key]
    return (), tool


def schema_place(body: Mapping[str, Any]) -> tuple[tuple[str, ...], Any]:
    """The steps to a tool's schema in its body, and the schema; `parameters` and None without one."""
    for key in SCHEMA_KEYS:
        value = body.get(key)
        if isinstance(value, Mapping) and set(value) == {"json"}:
            return (key, "json"), value["json"]
        if value not in (None, {}):
            return (key,), value
    return ("parameters",), body.get("parameters")


def unused_keys(tool: Mapping[str, Any]) -> list[str]:
    """Keys of a definition that are known and say nothing here."""
    return [key for key in _keys(tool) if key in UNUSED_KEYS]


def problem_keys(tool: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """(steps, what is wrong) for every key of a definition that would be lost without a word."""
    where, body = tool_body(tool)
    taken = schema_place(body)[0][0]
    for key, value in body.items():
        if key in SCHEMA_KEYS and key != taken and value not in (None, {}) and value != body[taken]:
            yield (*where, key), f"holds another schema than `{taken}`; keep one, as `parameters`"
        elif key not in (*_KEPT, *SCHEMA_KEYS) and key not in UNUSED_KEYS and value is not None:
            yield (*where, key), _unknown(key)
    if where:
        for key, value in tool.items():
            if key not in (*where, "type") and key not in UNUSED_KEYS and value not in (None, body.get(key)):
                yield (key,), _unknown(key)


def openai_definition(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A definition as OpenAI's chat API takes it.

    Args:
        tool: name, description and schema under any keys in use.

    Raises:
        ValueError: a key that would be lost, by its name.
    """
    for steps, said in problem_keys(tool):
        raise ValueError(f"{'.'.join(steps)}: {said}")
    _, body = tool_body(tool)
    function = {
        "name": body.get("name"),
        "description": body.get("description") or "",
        "parameters": schema_place(body)[1] or {},
    }
    return {"type": "function", "function": function}


def _keys(tool: Mapping[str, Any]) -> list[str]:
    where, body = tool_body(tool)
    return [*body, *(key for key in tool if where and key not in (*where, *body))]


def _unknown(key: str) -> str:
    advice = "write the schema of the arguments under `parameters`"
    return f"unknown key of a tool; {advice}, or leave {key!r} out"

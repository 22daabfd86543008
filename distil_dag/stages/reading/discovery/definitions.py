"""Tool definitions in a logged record, in any of the places and forms that services and recorders use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from distil_dag.core.tool_definition import schema_place, tool_body
from distil_dag.stages.reading.discovery.python_types import schema_of
from distil_dag.stages.reading.fields import MARKS
from distil_dag.stages.reading.recorders.pairs import is_empty, parsed
from distil_dag.stages.reading.recorders.spans.span import Span, items_of
from distil_dag.stages.reading.strict_values import Unreadable, check_json

COLUMNS = ("tools", "functions")
"""Columns of a table that may hold definitions beside a request."""
_LISTS = frozenset(
    {
        *COLUMNS, "function_tools", "functionDeclarations", "function_declarations", "available_tools",
        "tool_definitions", "toolDefinitions", "gen_ai.tool.definitions", "mlflow.chat.tools",
        "ai.prompt.tools", "llm.tools", "llm.request.functions",
    }
)  # fmt: skip
# Objects in which requests, or their parameters, stand.
_AROUND = frozenset(
    {
        "request", "body", "input", "inputs", "params", "parameters", "kwargs", "config", "extra", "metadata",
        "invocation_params", "model_parameters", "modelParameters", "optional_params", "toolConfig",
        "tool_config", "request_data", "request_body", "proxy_server_request", "response", "input.value",
        "llm.invocation_parameters", "mlflow.spanInputs", "model_request_parameters", "span_data",
        "langfuse.observation.input", "langfuse.observation.model.parameters", "model_config", "data",
        "traceloop.entity.input", "generation_config", "inputBodyJson", "backendRequestBody", "ai",
        "proxy", "payload", "request_head", "providerRequest", "json", "request_payload", "full_request",
    }
)  # fmt: skip
_ENDS = ("tools", "unctions", "eclarations", "efinitions")
# In a string of JSON its quotation marks are escaped, so this is a key.
_KEY = '"tools":'
_ENDS_IN_BYTES = tuple(end.encode() for end in _ENDS)
# What spreads a list over numbered attributes.
_TREES = ("llm.tools", "llm.request.functions", "gen_ai.tool.definitions")
_DECLARED = ("functionDeclarations", "function_declarations")
_CALLED_BY_CLIENTS = ("function", "custom", "tool", "", None)
_SCHEMA_WORDS = frozenset({"properties", "$ref", "anyOf", "allOf", "oneOf"})
_OF_SCHEMAS = frozenset({"properties", "$defs", "definitions", "patternProperties"})
_SCHEMAS = frozenset({"items", "anyOf", "allOf", "oneOf", "not", "additionalProperties", "prefixItems"})
_TYPES = frozenset({"OBJECT", "STRING", "INTEGER", "NUMBER", "BOOLEAN", "ARRAY", "NULL"})
_LEVELS, _MOST = 6, 1000


def definitions_in(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tools that a record defines, in OpenAI's form; for each name the first.

    Args:
        record: the record as it was logged.
    """
    return definitions_of(tool_lists(record))


def tool_lists(record: Mapping[str, Any]) -> list[Any]:
    """The lists of tools in a record, in whatever form they were logged."""
    return list(_lists(record))


def may_define(text: str | bytes) -> bool:
    """Whether a text has the end of a name under which definitions stand; most have none.

    Args:
        text: JSON.
    """
    ends: Any = _ENDS if isinstance(text, str) else _ENDS_IN_BYTES
    return any(end in text for end in ends)


def definitions_of(lists: list[Any]) -> list[dict[str, Any]]:
    """The definitions in lists of tools, in OpenAI's form; for each name the first."""
    found: dict[str, dict[str, Any]] = {}
    for value in lists:
        for tool in _definitions(value, 0):
            found.setdefault(tool["function"]["name"], tool)
    return list(found.values())


def _lists(record: Mapping[str, Any]) -> Iterator[Any]:
    yield from _held(record, 0)
    if MARKS.isdisjoint(record):
        return
    try:
        span = Span.of(record)
        if span is None:
            return
        yield from _held(span.attributes, 0)
        yield from _held(span.body, 0)
        for prefix in _TREES:
            if (tree := span.tree(prefix)) is not None:
                yield tree
    except Unreadable:
        return  # the reader says why


def _held(value: Any, level: int) -> Iterator[Any]:
    """The values under the keys of definitions, in an object and in the objects around requests."""
    if level > _LEVELS:
        return
    if isinstance(value, list):
        for one in value[:_MOST]:
            # A turn may quote anything.
            if isinstance(one, Mapping) and "role" not in one:
                yield from _held(one, level + 1)
    if type(value) is not dict and not isinstance(value, Mapping):
        return
    for key, held in value.items():
        if key in _LISTS:
            yield held
        elif key in _AROUND and held:
            yield from _in_text(held, level + 1) if isinstance(held, str) else _held(held, level + 1)


def _in_text(text: str, level: int) -> Sequence[Any]:
    """As :func:`_held` of the value that a text of JSON holds."""
    if not may_define(text):
        return ()
    head, key, rest = text.partition(_KEY)
    # Most requests end with the same tools, behind other messages: only that end is read, and once.
    end = _of_end(key + rest, level) if key and not may_define(head) else None
    return tuple(_held(_parsed(text), level)) if end is None else end


@lru_cache(maxsize=16)
def _of_end(end: str, level: int) -> tuple[Any, ...] | None:
    """The same of the members that an object of JSON ends with; None where more than that ends there."""
    value = _parsed(f"{{{end}")
    return tuple(_held(value, level)) if isinstance(value, Mapping) else None


def _definitions(value: Any, level: int) -> Iterator[dict[str, Any]]:
    value = _parsed(value)
    if isinstance(value, Mapping):
        numbered = items_of(value)[0]
        named = [{"name": name, **held} for name, held in value.items() if isinstance(held, Mapping)]
        value = numbered or named
    if not isinstance(value, list) or level > _LEVELS:
        return
    for one in value[:_MOST]:
        one = _parsed(one)
        if not isinstance(one, Mapping):
            continue
        declared = next((one[key] for key in _DECLARED if one.get(key)), None)
        if declared is not None:
            yield from _definitions(declared, level + 1)
            continue
        inner = one["tool"] if isinstance(one.get("tool"), Mapping) else one
        schema = inner.get("json_schema") or inner.get("tool.json_schema")
        body = _parsed(schema) if isinstance(schema, (str, Mapping)) else one
        if isinstance(body, Mapping) and (tool := _definition(body)):
            yield tool


def _definition(tool: Mapping[str, Any]) -> dict[str, Any] | None:
    """The definition that an object is, without keys that say nothing here; None if it is none."""
    _, body = tool_body(tool)
    name, description = body.get("name"), body.get("description")
    schema = _parsed(schema_place(body)[1])
    if not isinstance(name, str) or tool.get("type") not in _CALLED_BY_CLIENTS:
        return None
    if is_empty(schema) and is_empty(description):
        return None  # recorders without content keep the names
    schema = _parsed(body.get("parameter_definitions")) if is_empty(schema) else schema
    schema = {} if is_empty(schema) else schema_of(schema) or schema
    if not isinstance(schema, Mapping) or (schema and not _describes_an_object(schema)):
        return None
    try:
        check_json([name, description, schema], "a definition")
    except Unreadable:
        return None
    parameters = {"type": "object", "properties": {}, **_plain(schema)}
    parameters.pop("$schema", None)
    function = {
        "name": name,
        "description": description if isinstance(description, str) else "",
        "parameters": parameters,
    }
    return {"type": "function", "function": function}


def _describes_an_object(schema: Mapping[str, Any]) -> bool:
    return str(schema.get("type", "")).lower() == "object" or not _SCHEMA_WORDS.isdisjoint(schema)


def _plain(schema: Any) -> Any:
    """A schema with types in lower case, as JSON Schema has them; Gemini writes them in capitals."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain: dict[str, Any] = {}
    for key, held in schema.items():
        if key == "type" and isinstance(held, str) and held in _TYPES:
            plain[key] = held.lower()
        elif key in _OF_SCHEMAS and isinstance(held, Mapping):
            plain[key] = {name: _plain(one) for name, one in held.items()}
        else:
            plain[key] = _plain(held) if key in _SCHEMAS else held
    return plain


def _parsed(value: Any) -> Any:
    try:
        return parsed(value)
    except Unreadable:
        return None

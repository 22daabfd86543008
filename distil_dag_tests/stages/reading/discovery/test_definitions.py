"""Definitions of tools in the forms of services and recorders."""

from __future__ import annotations

import json
from typing import Any

import pytest

from distil_dag.stages.reading.discovery.definitions import definitions_in, definitions_of, tool_lists

SCHEMA = {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}
LIGHT = {"name": "light", "description": "Switch a light."}
WANTED = [{"type": "function", "function": {**LIGHT, "parameters": SCHEMA}}]
OPENAI = {"type": "function", "function": {**LIGHT, "parameters": SCHEMA, "strict": True}}
FLAT = {"type": "function", **LIGHT, "parameters": SCHEMA}
GEMINI = {
    **LIGHT,
    "parameters": {"type": "OBJECT", "properties": {"room": {"type": "STRING"}}, "required": ["room"]},
}

RECORDS: dict[str, dict[str, Any]] = {
    "openai": {"request": {"messages": [], "tools": [OPENAI]}, "response": {}},
    "as text": {"request": json.dumps({"messages": [], "tools": [OPENAI]})},
    "beside the messages": {"messages": [], "tools": json.dumps([OPENAI])},
    "functions": {"request": {"functions": [{**LIGHT, "parameters": SCHEMA}]}},
    "responses": {"request": {"input": [], "tools": [FLAT, {"type": "web_search_preview"}]}},
    "anthropic": {"request": {"tools": [{**LIGHT, "input_schema": SCHEMA, "cache_control": {}}]}},
    "anthropic's own": {
        "request": {
            "tools": [
                {**LIGHT, "input_schema": SCHEMA, "type": "custom"},
                {"type": "bash_20250124", "name": "bash"},
            ]
        }
    },
    "gemini": {"request": {"contents": [], "tools": [{"functionDeclarations": [GEMINI]}]}},
    "gemini's client": {"request": {"config": {"tools": [{"function_declarations": [GEMINI]}]}}},
    "bedrock": {
        "request": {"toolConfig": {"tools": [{"toolSpec": {**LIGHT, "inputSchema": {"json": SCHEMA}}}]}}
    },
    "bedrock's log": {
        "input": {
            "inputBodyJson": {
                "toolConfig": {"tools": [{"toolSpec": {**LIGHT, "inputSchema": {"json": SCHEMA}}}]}
            }
        }
    },
    "cohere": {
        "request": {
            "tools": [{**LIGHT, "parameter_definitions": {"room": {"type": "str", "required": True}}}]
        }
    },
    "xlam": {"tools": json.dumps([{**LIGHT, "parameters": {"room": {"type": "str"}}}])},
    "anthropic's batch": {"custom_id": "a", "params": {"tools": [{**LIGHT, "input_schema": SCHEMA}]}},
    "batch": {"body": {"messages": [], "tools": [OPENAI]}},
    "by name": {"request": {"tools": {"light": {**LIGHT, "inputSchema": SCHEMA}}}},
    "span": {
        "trace_id": "1",
        "span_id": "2",
        "attributes": {"gen_ai.tool.definitions": json.dumps([FLAT])},
    },
    "openinference": {
        "trace_id": "1",
        "span_id": "2",
        "attributes": {"llm.tools.0.tool.json_schema": json.dumps(OPENAI)},
    },
    "numbered": {
        "trace_id": "1",
        "span_id": "2",
        "attributes": {
            "llm.request.functions.0.name": LIGHT["name"],
            "llm.request.functions.0.description": LIGHT["description"],
            "llm.request.functions.0.parameters": json.dumps(SCHEMA),
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("form", RECORDS)
def test_each_form_gives_the_same_definition(form: str) -> None:
    assert definitions_in(RECORDS[form]) == WANTED


@pytest.mark.parametrize(
    "record",
    [
        {"request": {"messages": [{"role": "user", "content": "x", "tools": [OPENAI]}]}},
        {"request": {"messages": [{"role": "tool", "content": json.dumps({"tools": [OPENAI]})}]}},
        {"output": {"tools": [OPENAI]}},
        {"tools": ["light"]},
        {"tools": [{"type": "function", "name": "light"}]},
        {"tools": [{"name": "light", "description": "x", "parameters": {"room": {"type": "string"}}}]},
        {"tools": [{"name": "light", "description": "x", "parameters": {"room": "str"}}]},
        {"tools": "[{broken"},
        {"tools": [{**FLAT, "description": "a\x00b"}]},
    ],
)
def test_what_a_chat_quotes_and_what_is_no_definition_is_none(record: dict[str, Any]) -> None:
    assert definitions_in(record) == []


def test_a_record_has_its_own_tools_whatever_was_read_before_it() -> None:
    first, second = (
        {"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("first", "second")
    )
    logged = {
        "alone": ({"messages": [], "tools": [first]}, ["first"]),
        "again": ({"messages": ["other"], "tools": [first]}, ["first"]),
        "more behind": ({"messages": [], "tools": [first], "functions": [second]}, ["first", "second"]),
        "more before": ({"functions": [second], "tools": [first]}, ["second", "first"]),
        "quoted": ({"messages": [{"role": "user", "tools": [first]}]}, []),
        "quoted as text": ({"messages": [json.dumps({"tools": [first]})]}, []),
    }
    for request, wanted in logged.values():
        found = definitions_of(tool_lists({"request": json.dumps(request)}))
        assert [tool["function"]["name"] for tool in found] == wanted

"""Schemas inferred from calls."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.reading.discovery.called import CalledTools


def parameters(*arguments: dict[str, Any]) -> dict[str, Any]:
    found = CalledTools()
    found.add(ToolCall(name="light", arguments=one) for one in arguments)
    (tool,) = found.definitions()
    schema: dict[str, Any] = tool["function"]["parameters"]
    Draft202012Validator.check_schema(schema)
    assert all(Draft202012Validator(schema).is_valid(one) for one in arguments)
    return schema


def test_what_each_call_has_is_required() -> None:
    assert parameters({"room": "den", "level": 1}, {"room": "hall"}) == {
        "type": "object",
        "properties": {"room": {"type": "string"}, "level": {"type": "integer"}},
        "required": ["room"],
    }


@pytest.mark.parametrize(
    ("values", "schema"),
    [
        ([1, 2.5], {"type": "number"}),
        ([True, False], {"type": "boolean"}),
        (["a", None], {"type": ["null", "string"]}),
        ([["a"], []], {"type": "array", "items": {"type": "string"}}),
        ([[]], {"type": "array"}),
        ([{"x": 1}, {}], {"type": "object", "properties": {"x": {"type": "integer"}}}),
        ([1, "a"], {"type": ["integer", "string"]}),
    ],
)
def test_types_are_those_of_all_values(values: list[Any], schema: dict[str, Any]) -> None:
    assert parameters(*({"a": value} for value in values))["properties"]["a"] == schema


def test_few_values_that_come_again_are_an_enum() -> None:
    often = parameters(*({"mode": mode} for mode in ("on", "off") * 30))
    assert often["properties"]["mode"]["enum"] == ["off", "on"]


@pytest.mark.parametrize(
    "values",
    [
        ["on", "off"] * 5,
        ["on", "off"] * 30 + ["once"],
        [f"room {number}" for number in range(30)] * 5,
        ["on", "<EMAIL_1>"] * 30,
        ["a long text, as somebody says it to someone else"] * 60,
    ],
)
def test_few_calls_rare_values_many_values_and_personal_data_are_none(values: list[str]) -> None:
    assert "enum" not in parameters(*({"a": value} for value in values))["properties"]["a"]


def test_what_is_inferred_is_marked() -> None:
    found = CalledTools()
    found.add([ToolCall(name="a"), ToolCall(name="b"), ToolCall(name="b")])
    assert [tool["function"]["name"] for tool in found.definitions()] == ["b", "a"]
    assert found.definitions()[1]["function"] == {
        "name": "a",
        "description": "REVIEW: inferred from 1 call. Say what it does, and check its arguments.",
        "parameters": {"type": "object", "properties": {}},
    }

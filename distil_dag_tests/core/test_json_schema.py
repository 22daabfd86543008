"""References in schemas, looked through once and for all."""

from __future__ import annotations

from typing import Any

import pytest

from distil_dag.core.json_schema import referred, resolved
from distil_dag.core.schema_validation import validator
from distil_dag.core.schema_values import Form
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.prompting.tool_signatures import signature

ROOT: dict[str, Any] = {
    "$defs": {
        "Room": {"type": "string", "enum": ["hall", "attic"]},
        "Any": {"$ref": "#/$defs/Room", "title": "Any room"},
        "Loop": {"$ref": "#/$defs/Loop"},
        "a/b": {"type": "integer"},
        "All": True,
    }
}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "null"}, {"type": "null"}),
        ({"$ref": "#/$defs/Room", "default": "hall"}, {**ROOT["$defs"]["Room"], "default": "hall"}),
        ({"$ref": "#/$defs/Any", "title": "Mine"}, {**ROOT["$defs"]["Room"], "title": "Mine"}),
        ({"$ref": "#/$defs/a~1b"}, {"type": "integer"}),
        ({"$ref": "#/$defs/All"}, {}),
        (True, {}),
        ({"$ref": "#/$defs/Loop"}, {"$ref": "#/$defs/Loop"}),
        ({"$ref": "#/$defs/None", "title": "x"}, {"$ref": "#/$defs/None", "title": "x"}),
    ],
)
def test_what_a_reference_stands_for(schema: Any, expected: dict[str, Any]) -> None:
    assert resolved(schema, ROOT) == expected


def test_a_reference_that_leads_nowhere_is_named() -> None:
    with pytest.raises(LookupError, match=r"#/\$defs/None is not found"):
        referred("#/$defs/None", ROOT)


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ({"z": 1, "b": 2, "y": 3, "a": 4}, {"properties": {"a": {}, "b": {}}}, ["a", "b", "z", "y"]),
        ({"z": 1, "y": 2}, {}, ["z", "y"]),
        (
            {"z": 1, "y": 2},
            {"properties": {"y": {}}, "anyOf": [{"required": ["x"]}, {"required": ["z"]}]},
            ["y", "z"],
        ),
        ({"z": 1, "y": 2}, {"anyOf": [{"type": "null"}, {"properties": {"y": {}}}]}, ["y", "z"]),
        ({"z": 1, "y": 2}, {"anyOf": [{"type": "null"}, True]}, ["z", "y"]),
    ],
)
def test_keys_stand_in_the_order_of_the_schema(
    value: dict[str, int], schema: dict[str, Any], expected: list[str]
) -> None:
    assert list(Form(validator(schema)).of(value, schema)) == expected
    assert Form(validator(schema)).of(value, schema) == value


def test_a_tool_with_references_is_like_one_without() -> None:
    unit = {"enum": ["c", "f"], "default": "c"}
    rooms = {"type": "array", "items": {"$ref": "#/$defs/Room"}}
    schema = {
        "type": "object",
        "$defs": {**ROOT["$defs"], "Unit": unit},
        "properties": {"unit": {"$ref": "#/$defs/Unit"}, "rooms": rooms},
    }
    tools = Toolset.from_openai([{"name": "heat", "parameters": schema}])
    assert tools["heat"].defaults == {"unit": "c"}
    assert signature(tools["heat"]) == 'heat(unit?: "c"|"f", rooms?: array):'
    assert tools.canonical(ToolCall(name="heat", arguments={"unit": "c"})) == ToolCall(name="heat")
    assert tools.takes("heat", "unit", "f")
    assert tools.takes("heat", "rooms", ["attic"])
    assert not tools.takes("heat", "rooms", ["cellar"])

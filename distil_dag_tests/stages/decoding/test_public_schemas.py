"""Logs and tools in the shape of public reports on numbers, steps and keywords of schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest

from distil_dag.core.case import Trace
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.decoding.schema_grammar import answers, deviations
from distil_dag.stages.prompting.tool_signatures import signature
from distil_dag.stages.reading.case_files import read_cases
from distil_dag.stages.reading.records import RecordReader
from distil_dag.stages.student.prompt import completion
from distil_dag_tests.paths import ROOT

CASES = ROOT / "distil_dag_tests" / "public_cases"


def read(name: str) -> Any:
    return json.loads((CASES / name).read_text())


def lines(name: str) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in (CASES / name).read_text().splitlines()]
    return {row["id"]: row for row in rows}


GARDEN = Toolset.from_openai(read("tools.json")["tools"])
LOG = lines("07-whole-numbers-as-floats.jsonl")


def trace(tools: Toolset, record: dict[str, Any]) -> Trace:
    (found,) = RecordReader(tools).read(record, "t").traces
    return found


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ("float-for-integer", '"arguments":{"level":3}}'),
        ("exponent-for-integer", '"arguments":{"level":10}}'),
        ("minus-zero", '"arguments":{"level":0}}'),
        ("float-minutes", '"arguments":{"bed":"rose","minutes":7}}'),
        ("control-integer", '"arguments":{"level":3}}'),
        ("control-number", '"arguments":{"target":21.5}}'),
    ],
)
def test_a_whole_number_is_an_integer_from_the_log_on(identity: str, said: str) -> None:
    found = trace(GARDEN, LOG[identity])
    assert found.problems == ()
    assert said in render_calls(found.calls)
    assert completion(found, GARDEN) == render_calls(found.calls)
    assert answers(GARDEN).holds(completion(found, GARDEN).encode())
    (case,), problems = read_cases([json.dumps(LOG[identity])], GARDEN)
    assert problems == []
    assert case.calls == found.calls
    assert said in render_calls(case.calls)


def test_what_is_not_whole_stays_wrong() -> None:
    assert "3.5 is not of type 'integer'" in trace(GARDEN, LOG["control-not-whole"]).problems[0]


INNER = {"type": "object", "properties": {"n": {"type": "integer"}, "x": {"type": "number"}}}


@pytest.mark.parametrize(
    ("schema", "logged", "kept"),
    [
        ({"type": "array", "items": {"type": "integer"}}, [3.0, 1e1, -0.0], [3, 10, 0]),
        ({"type": "array", "items": INNER}, [{"n": 2.0, "x": 2.0}], [{"n": 2, "x": 2.0}]),
        (INNER, {"n": 4.0, "x": 1.5}, {"n": 4, "x": 1.5}),
        ({"enum": [1, 2, 3]}, 2.0, 2),
        ({"enum": [1.0, 2.5]}, 1.0, 1),
        ({"const": 1.0}, 1.0, 1),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 3.0, 3),
        ({"anyOf": [{"type": "number"}, {"type": "integer"}]}, 3.0, 3),
        ({"type": ["integer", "null"]}, 5.0, 5),
        ({"type": "integer", "nullable": True}, 5.0, 5),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "number"}]}, [1.0, 1.5], [1, 1.5]),
        ({"allOf": [{"type": "number"}, {"type": "integer"}]}, 6.0, 6),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"z": 6.0}, {"z": 6}),
        ({"type": "number"}, 21.0, 21.0),
        ({"type": "boolean"}, True, True),
    ],
)
def test_the_same_further_in(schema: dict[str, Any], logged: Any, kept: Any) -> None:
    spec = {"type": "object", "properties": {"a": schema, "b": {"type": "boolean"}}}
    tools = Toolset.from_openai([{"name": "act", "parameters": spec}])
    call = {"name": "act", "arguments": {"b": False, "a": logged}}
    found = trace(tools, {"question": "Do", "answer": [call]})
    assert found.problems == ()
    assert json.dumps(found.calls[0].arguments) == json.dumps({"b": False, "a": kept})
    assert json.dumps(tools.canonical(found.calls[0]).arguments["a"]) == json.dumps(kept)
    assert answers(tools).holds(completion(found, tools).encode())


def test_a_history_holds_integers_as_well() -> None:
    call = {"function": {"name": "set_heater", "arguments": '{"level": 3.0}'}}
    turns = [
        {"role": "user", "content": "Heater to 3"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "done"},
        {"role": "user", "content": "And off"},
        {"role": "assistant", "content": "No tool fits."},
    ]
    found = RecordReader(GARDEN).read({"messages": turns}, "t").traces[-1]
    assert render_calls(found.messages[1].tool_calls).endswith('{"level":3}}</tool_call>')


STEPS = read("10-multiple-of.json")


def paying(**amount: Any) -> Toolset:
    spec = {"type": "object", "properties": {"amount": {"type": "number", **amount}}, "required": ["amount"]}
    return Toolset.from_openai([{"name": "pay", "parameters": spec}])


@pytest.mark.parametrize(
    ("tools", "valid", "invalid"),
    [
        (
            Toolset.from_openai([STEPS["tool"]]),
            [row["amount"] for row in STEPS["valid"]],
            [row["amount"] for row in STEPS["invalid"]],
        ),
        (paying(multipleOf=0.1), [0.3, 1.1, 4.35e1, -0.7, 1e22], [0.35, 0.01]),
        (paying(multipleOf=0.05), [0.15, 1.15, 2, 1e16], [0.12, 0.16]),
        (paying(multipleOf=1e-05), [1e-05, 0.00123, 3], [1.5e-05, 1e-07]),
        (paying(multipleOf=2.5, minimum=1), [2.5, 5, 7.5, 10.0], [0, 2, 3.5]),
    ],
)
def test_steps_are_decimals(tools: Toolset, valid: list[float], invalid: list[float]) -> None:
    assert deviations(tools) == []
    for amount in [*valid, *invalid]:
        call = ToolCall(name="pay", arguments={"amount": amount})
        assert (tools.problems(call) == []) is (amount in valid), amount
        assert answers(tools).holds(render_calls([call]).encode()) is (amount in valid), amount


def test_what_forbids_nothing_costs_nothing_and_one_tool_costs_no_other() -> None:
    tools = Toolset.from_openai(read("11-one-tool-beyond-a-grammar.json")["tools"])
    assert deviations(tools) == ["plan_watering.day: pattern is not held to"]
    assert [signature(tool).split(":")[1:-1] for tool in tools.tools][3] == [' "drip"|"spray")']
    right = [
        ("list_beds", {}),
        ("water_bed", {"bed": "rose", "minutes": None}),
        ("water_bed", {"bed": "rose", "minutes": 7}),
        ("plan_watering", {"day": "2026-11-28"}),
        ("pick_mode", {"mode": "drip"}),
        ("pick_mode", {"mode": "spray"}),
    ]
    for name, arguments in right:
        call = ToolCall(name=name, arguments=arguments)
        assert tools.problems(call) == []
        assert tools.canonical(call) == call
        assert answers(tools).holds(render_calls([call]).encode())
    flood = ToolCall(name="pick_mode", arguments={"mode": "flood"})
    assert tools.problems(flood)
    assert not answers(tools).holds(render_calls([flood]).encode())


NOTES = {
    "examples": ["a"],
    "$comment": "x",
    "readOnly": True,
    "x-widget": {"type": "null"},
    "optional": False,
}


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "string", **NOTES, "deprecated": True, "format": "email"}, "a", 5),
        ({"oneOf": [{"type": "string", "enum": ["a"]}, {"const": 5}, {"type": "null"}]}, None, "b"),
        ({"type": "string", "anyOf": [{"const": "a", "title": "A"}, {"const": "b"}]}, "b", "c"),
        ({"$ref": "#/$defs/Mode", "nullable": True, "description": "how"}, None, "c"),
        ({"type": "array", "items": {"type": "string", "nullable": True, "example": "a"}}, ["a", None], [5]),
    ],
)
def test_neighbours_of_notes_and_lists(schema: dict[str, Any], right: Any, wrong: Any) -> None:
    spec = {"type": "object", "properties": {"x": schema}, "$defs": {"Mode": {"enum": ["a", "b"]}}}
    tools = Toolset.from_openai([{"name": "act", "parameters": spec}])
    assert deviations(tools) == []
    for value, fits in ((right, True), (wrong, False)):
        call = ToolCall(name="act", arguments={"x": value})
        assert (tools.problems(call) == []) is fits
        assert answers(tools).holds(render_calls([call]).encode()) is fits


EITHER = {
    "properties": {"a": {}, "b": {}},
    "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
}
BESIDE = {"type": "object", "properties": {"by": {"type": "string"}, "z": {}}}
BRANCHES = {
    "oneOf": [
        {"properties": {"by": {"const": "id"}, "id": {"type": "integer"}}, "required": ["by", "id"]},
        {"properties": {"by": {"const": "name"}, "name": {"type": "string"}}, "required": ["by", "name"]},
    ]
}
SHARED = {"$defs": {"Args": {"properties": {"id": {"type": "integer", "default": 1}}, "required": ["by"]}}}


@pytest.mark.parametrize(
    ("schema", "names", "required"),
    [
        (BRANCHES, ["by", "id", "name"], ("by",)),
        ({**BESIDE, **BRANCHES}, ["by", "z", "id", "name"], ("by",)),
        ({"$ref": "#/$defs/Args", **SHARED}, ["id"], ("by",)),
        ({"allOf": [{"$ref": "#/$defs/Args"}, {"properties": {"by": {}}}], **SHARED}, ["id", "by"], ("by",)),
        ({"anyOf": [{"$ref": "#/$defs/Args"}, {"type": "null"}], **SHARED}, ["id"], ("by",)),
        (EITHER, ["a", "b"], ()),
    ],
)
def test_arguments_are_found_through_the_root(
    schema: dict[str, Any], names: list[str], required: tuple[str, ...]
) -> None:
    tool = Toolset.from_openai([{"name": "act", "parameters": schema}])["act"]
    assert list(tool.properties) == names
    assert tool.required == required
    assert tool.defaults == ({"id": 1} if "$defs" in schema else {})


def test_what_is_wrong_under_alternatives_is_one_sentence() -> None:
    tools = Toolset.from_openai([{"name": "find", "parameters": BRANCHES}])
    assert tools.problems(ToolCall(name="find", arguments={"by": "id", "id": 3.0})) == []
    (said,) = tools.problems(ToolCall(name="find", arguments={"by": "name"}))
    nearest = "'name' is a required property"
    assert said == f"find: its arguments fit none of the 2 forms that the tool takes; nearest: {nearest}"
    either = {"properties": EITHER["properties"], "oneOf": EITHER["anyOf"]}
    both = Toolset.from_openai([{"name": "f", "parameters": either}])
    (said,) = both.problems(ToolCall(name="f", arguments={"a": 1, "b": 1}))
    assert said == "f: its arguments fit several of the forms that the tool takes, and may fit only one"


def test_other_arguments_of_a_kind_are_known_and_typed() -> None:
    spec = {"type": "object", "properties": {"to": {}}, "additionalProperties": {"type": "integer"}}
    tools = Toolset.from_openai([{"name": "set", "parameters": spec}])
    right = ToolCall(name="set", arguments={"b": 2.0, "a": 1.0})
    assert tools.problems(right) == []
    assert render_calls([tools.canonical(right)]).endswith('"arguments":{"a":1,"b":2}}</tool_call>')
    assert answers(tools).holds(render_calls([tools.canonical(right)]).encode())
    wrong = ToolCall(name="set", arguments={"b": "two"})
    assert tools.problems(wrong) == ["set: 'two' is not of type 'integer'"]
    assert not answers(tools).holds(render_calls([wrong]).encode())
    assert signature(tools["set"]) == "set(to?: any, …: integer):"
    for free in (True, {}, {"description": "more"}):  # says of what kind they are nowhere
        open_ = Toolset.from_openai([{"name": "set", "parameters": {**spec, "additionalProperties": free}}])
        assert open_.problems(ToolCall(name="set", arguments={"b": 1})) == ["set: unknown arguments ['b']"]


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        (TEXT, None, False),
        ({**TEXT, "default": "hall"}, None, False),
        ({**TEXT, "default": None}, None, False),
        ({**TEXT, "default": None}, "null", False),
        (TEXT, "null", False),
        ({**TEXT, "default": ""}, "", False),
        ({**TEXT, "default": "none"}, "none", False),
        (TEXT, "", True),
        (TEXT, "none", True),
        ({"type": "integer", "default": "null"}, "null", False),
        ({"type": "integer", "default": ""}, "", False),
        ({"type": "integer"}, "null", False),
        ({"enum": ["null", "all"]}, "null", True),
        ({"type": ["string", "null"]}, None, True),
        ({"type": ["string", "null"], "default": None}, None, False),
        ({**TEXT, "nullable": True, "default": "x"}, None, True),
        ({"type": "integer", "default": 3}, 3.0, False),
    ],
)
def test_what_says_nothing_is_the_default(schema: dict[str, Any], value: Any, said: bool) -> None:
    inner = {"type": "object", "properties": {"x": schema}}
    spec = {"type": "object", "properties": {"x": schema, "in": inner}}
    tools = Toolset.from_openai([{"name": "act", "parameters": spec}])
    call = ToolCall(name="act", arguments={"x": value, "in": {"x": value}})
    assert tools.problems(call) == []
    kept = {"x": value} if said else {}
    assert tools.canonical(call).arguments == {**kept, "in": kept}
    asked = Toolset.from_openai([{"name": "act", "parameters": {**spec, "required": ["x"]}}])
    needed = ToolCall(name="act", arguments={"x": value})
    assert asked.canonical(needed) == needed

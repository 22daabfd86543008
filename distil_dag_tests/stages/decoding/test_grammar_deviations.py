"""What a grammar can't hold a model to is named, and costs no call that is valid."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.decoding.schema_grammar import answers, deviations
from distil_dag_tests.stages.decoding.schema_walks import tool, walk

ROOM = {"type": "object", "properties": {"floor": {"type": "integer"}, "name": {"type": "string"}}}
FIVE = {"type": "string", "maxLength": 5}


def with_argument(schema: Any, required: bool = False) -> Toolset:
    """A tool with the argument `x` of this schema, what that may refer to, and another tool."""
    names = ("x",) if required else ()
    return Toolset.from_openai(
        [tool("act", names, x=schema, y=FIVE, o=ROOM), tool("go", to={"type": "string"})]
    )


def may_say(tools: Toolset, value: Any) -> bool:
    call = ToolCall(name="act", arguments={"x": value})
    return answers(tools).holds(render_calls([tools.canonical(call)]).encode())


@pytest.mark.parametrize(
    ("schema", "said", "right", "wrong"),
    [
        ({"type": "string", "pattern": "^a+$"}, "act.x: pattern is not held to", ["aa"], [5]),
        (
            {"type": "array", "items": FIVE, "uniqueItems": True},
            "act.x: uniqueItems is not held to",
            [["a"]],
            [[1]],
        ),
        (
            {"allOf": [{"type": "string", "pattern": "a"}, {"pattern": "b"}]},
            "act.x: pattern is not held to",
            ["ab"],
            [5],
        ),
        (
            {"oneOf": [FIVE, {"type": "string", "minLength": 3}]},
            "act.x: of oneOf more than one may fit",
            ["a", "abcdef"],
            [5],
        ),
        ({"type": "list"}, "act.x: its schema has the unknown type 'list'", [], []),
        ({"$ref": "#/nowhere"}, "act.x: #/nowhere is not found", [], []),
        ({"$ref": "#/properties/x"}, "act.x: #/properties/x refers to itself", [], []),
        ({"type": "object", "required": ["y"]}, "act.x: y is required but not declared", [{"y": 5}], ["y"]),
        (
            {"type": "object", "patternProperties": {"^a": {}}},
            "act.x: patternProperties is not held to",
            [{"a": 1}],
            [],
        ),
        ({"type": "array", "items": {"not": {"type": "null"}}}, "act.x[]: not is not held to", [[1]], [1]),
    ],
)
def test_what_is_beyond_a_grammar_is_named_and_not_held_to(
    schema: dict[str, Any], said: str, right: list[Any], wrong: list[Any]
) -> None:
    tools = with_argument(schema)
    (found,) = deviations(tools)
    assert found.startswith(said)
    for value in right:
        assert tools.problems(ToolCall(name="act", arguments={"x": value})) == []
        assert may_say(tools, value)
    assert not any(may_say(tools, value) for value in wrong)


CONTRADICTIONS = [
    ({"enum": ["a"], "type": "integer"}, "act.x: no listed value satisfies its schema"),
    ({"type": "array", "items": {"type": "string"}, "enum": ["a", "b"]}, "act.x: no listed value"),
    ({"type": "integer", "minimum": 2, "exclusiveMaximum": 2}, "act.x: no number lies between"),
    (
        {"type": "string", "minLength": 2, "maxLength": 1},
        "act.x: its minLength is greater than its maxLength",
    ),
    ({"$ref": "#/properties/y", "type": "integer"}, "act.x: its schema takes values of no type"),
    ({"anyOf": [{"enum": [1], "type": "string"}, False]}, "act.x: no listed value"),
    ({"type": "array", "items": False, "minItems": 1}, "act.x[]: its schema takes no value"),
    (
        {"type": "object", "required": ["y"], "additionalProperties": False},
        "act.x: y is required but not declared",
    ),
    (False, "act.x: its schema takes no value"),
]


@pytest.mark.parametrize(("schema", "said"), CONTRADICTIONS)
def test_an_argument_that_no_value_satisfies_costs_itself(schema: Any, said: str) -> None:
    tools = with_argument(schema)
    (found,) = deviations(tools)
    assert found.startswith(said)
    language = answers(tools)
    assert language.holds(render_calls([ToolCall(name="act", arguments={"y": "b"})]).encode())
    assert not language.begins(b'<tool_call>{"name":"act","arguments":{"x"')


@pytest.mark.parametrize(("schema", "said"), CONTRADICTIONS)
def test_a_required_one_costs_its_tool_and_no_other(schema: Any, said: str) -> None:
    tools = with_argument(schema, required=True)
    assert any(found.startswith(said) for found in deviations(tools))
    language = answers(tools)
    assert language.holds(render_calls([ToolCall(name="go", arguments={"to": "b"})]).encode())
    assert not language.begins(b'<tool_call>{"name":"a')
    with pytest.raises(ValueError, match=r"act\.x"):
        answers(Toolset(tools.tools[:1]))


def test_an_option_that_no_value_satisfies_leaves_the_others() -> None:
    tools = with_argument({"anyOf": [{"enum": ["a"], "type": "integer"}, {"type": "boolean"}]})
    assert may_say(tools, True)
    assert deviations(tools) == []


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "number", "multipleOf": 0.5}, [2.5, 3, -0.5, 1e17], [0.25, "a", 1e-05]),
        ({"type": "number", "multipleOf": 0.01, "minimum": 0}, [19.99, 20, 20.0, 0.07], [19.995, 0.001, -1]),
        ({"type": "integer", "multipleOf": 15}, [0, 15, -45, 150], [10, 5, 1]),
        ({"type": "integer", "multipleOf": 1.5}, [3, -6], [1, 2]),
        ({"allOf": [{"type": "string"}]}, ["a"], [5]),
        ({"allOf": [{"multipleOf": 4}, {"type": "integer", "multipleOf": 6}]}, [12, 0], [4, 6]),
        ({"oneOf": [FIVE, {"type": "null"}]}, ["a", None], [5, "abcdef"]),
        ({"$ref": "#/properties/y", "maxLength": 2}, ["ab"], ["abc"]),
        ({"anyOf": [FIVE, {"type": "null"}], "maxLength": 2}, [None, "ab"], [5, "abc"]),
        ({"$ref": "#/properties/o", "additionalProperties": False}, [{}], [5, {"floor": 5}]),
        ({"type": "array", "items": {"not": {}}}, [[]], [[1]]),
        (
            {"type": "array", "prefixItems": [FIVE, {"type": "null"}]},
            [[], ["a"], ["a", None, 5]],
            [[5], ["a", 1]],
        ),
        (
            {"type": "array", "prefixItems": [FIVE, FIVE], "items": False, "minItems": 1},
            [["a", "b"]],
            [[], [""] * 3],
        ),
        ({"type": "string", "nullable": True}, [None, "a"], [5]),
        ({"$ref": "#/properties/y", "nullable": True}, [None, "a"], [5, "abcdef"]),
        ({"enum": ["a"], "nullable": True, "type": "string"}, [None, "a"], ["b"]),
        ({"const": 1.0}, [1, 1.0], [2, 0.5]),
        ({"enum": [1, 1.0, 2.0]}, [1, 2.0], [3, False]),
        ({"type": "object", "unevaluatedProperties": False, "allOf": [ROOM]}, [{"floor": 1}], [{"wide": 1}]),
    ],
    ids=str,
)
def test_what_the_grammar_is_exact_about(schema: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    tools = with_argument(schema)
    assert not [said for said in deviations(tools) if "takes no value" not in said]
    for value in [*right, *wrong]:
        assert may_say(tools, value) is (value in right), value
        assert bool(tools.problems(ToolCall(name="act", arguments={"x": value}))) is (value in wrong), value


def test_properties_beside_a_reference_are_added_to_its_own() -> None:
    wide = {"properties": {"wide": {"type": "boolean"}}, "required": ["wide"]}
    tools = with_argument({"$ref": "#/properties/o", **wide})
    assert deviations(tools) == []
    assert may_say(tools, {"wide": True, "floor": 5})
    assert not may_say(tools, {"floor": 5})
    assert not may_say(tools, {"wide": True, "floor": "five"})


def test_what_forbids_nothing_costs_nothing() -> None:
    notes = {"example": "rose", "x-order": 1, "optional": True, "format": "date", "minItems": 5}
    tools = with_argument({"type": "string", **notes})
    assert deviations(tools) == []
    assert may_say(tools, "rose")
    modes = with_argument({"oneOf": [{"const": "drip", "title": "Slowly"}, {"const": "spray"}]})
    assert deviations(modes) == []
    assert (may_say(modes, "spray"), may_say(modes, "flood")) == (True, False)


NUMBERS_OF_JSON = st.integers(-(10**20) + 1, 10**20 - 1) | st.sampled_from([0.5, -1e-9, 2.5e30])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS_OF_JSON | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FREE = (
    True,
    {},
    {"description": "anything"},
    {"anyOf": [{"type": "string"}, True]},
    {"type": "object"},
    {"type": "object", "additionalProperties": {"type": "string"}},
    {"type": "array"},
    {"type": "array", "items": {"type": "object"}},
    {**ROOM, "additionalProperties": True},
    {**ROOM, "required": ["floor"], "additionalProperties": {"type": "boolean"}},
    {"minLength": 2, "minItems": 2, "minimum": 5},
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(FREE), JSON)
def test_a_value_without_a_schema_is_any_json(schema: Any, value: Any) -> None:
    tools = with_argument(schema)
    assert deviations(tools) == []
    if not tools.problems(ToolCall(name="act", arguments={"x": value})):
        assert may_say(tools, value)


@pytest.mark.parametrize("schema", FREE, ids=str)
def test_every_walk_through_a_free_value_is_valid(schema: Any) -> None:
    tools = Toolset.from_openai([tool(required=("x",), x=schema)])
    for seed in range(30):
        said = walk(answers(tools, 1, False), random.Random(seed)).decode()
        (call,) = parse_answer(said).calls
        assert tools.problems(call) == [], said


def test_other_members_stand_behind_those_of_the_schema_and_take_no_name_of_theirs() -> None:
    tools = with_argument({**ROOM, "additionalProperties": True})
    assert may_say(tools, {"floor": 5, "name": "hall", "floors": "five", "": []})
    assert may_say(tools, {"wide": True})
    assert may_say(tools, {"wide": True, "floor": 5})  # which is put in order
    assert not may_say(tools, {"floor": "five"})
    before = b'<tool_call>{"name":"act","arguments":{"x":{"wide":true,"'
    assert not answers(tools).begins(before + b'floor":"')


def test_without_a_type_a_value_is_of_any_that_its_schema_takes() -> None:
    tools = with_argument({"properties": {"n": {"type": "integer"}}, "minLength": 2, "maximum": 5})
    assert deviations(tools) == []
    for value in ({"n": 7}, {}, "ab", 5, None, True, [{"n": "a"}]):
        assert may_say(tools, value)
    for value in ({"n": "a"}, "a", 6):
        assert not may_say(tools, value)


def test_a_free_value_nests_sixteen_deep() -> None:
    deep: list[Any] = []
    for _ in range(15):
        deep = [deep]
    tools = with_argument({})
    assert may_say(tools, [deep])
    assert not may_say(tools, [[deep]])

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_dag.core.answers.call_objects import read_call
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.tool_call import NO_CALL_TEXT, ToolCall, render_calls, same_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.decoding.schema_grammar import answers

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
# A closing tag inside a value ends the call for every Hermes parser; such values are not drawn.
CALLS = st.lists(
    st.builds(
        ToolCall,
        name=st.text(min_size=1).filter(lambda text: "tool_call>" not in text),
        arguments=st.dictionaries(st.text(), JSON_VALUES, max_size=4),
    ).filter(lambda call: "tool_call>" not in call.key()),
    max_size=3,
)

LIGHTS = Toolset.from_openai(
    [
        {
            "type": "function",
            "function": {
                "name": "set_light",
                "description": "Set a light.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "room": {"type": "string"},
                        "brightness": {"type": "integer", "minimum": 0, "maximum": 100},
                        "fade": {"type": "boolean", "default": False},
                    },
                    "required": ["room"],
                    "additionalProperties": False,
                },
            },
        }
    ]
)


@given(CALLS)
def test_what_is_rendered_is_read_back(calls: list[ToolCall]) -> None:
    answer = parse_answer(render_calls(calls))
    assert answer.error is None
    assert list(answer.calls) == calls


@given(st.text())
def test_no_text_makes_the_parser_raise(text: str) -> None:
    parse_answer(text)
    parse_answer("<tool_call>" + text)
    parse_answer("{" + text)


def test_the_no_call_text_is_an_answer_without_calls() -> None:
    assert render_calls([]) == NO_CALL_TEXT
    assert parse_answer(NO_CALL_TEXT).calls == ()


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name":"f","arguments":{"a":1}}</tool_call>',
        'Sure.\n<tool_call>\n{"arguments": {"a": 1}, "name": "f"}\n</tool_call>',
        '<tool_call>{"name":"f","arguments":{"a":1}}',
        '{"name": "f", "arguments": {"a": 1}}',
        '[{"name": "f", "parameters": {"a": 1}}]',
        '{"name": "f", "arguments": null, "parameters": {"a": 1}}',
        '{"function": null, "name": "f", "arguments": {"a": 1}}',
        '```json\n{"name": "f", "arguments": "{\\"a\\": 1}"}\n```',
        '{"type": "function", "function": {"name": "f", "arguments": "{\\"a\\": 1}"}}',
    ],
)
def test_every_form_in_use_is_read(text: str) -> None:
    assert parse_answer(text).calls == (ToolCall(name="f", arguments={"a": 1}),)


def test_a_broken_call_is_an_error_and_not_words() -> None:
    assert parse_answer('<tool_call>{"name": "f", </tool_call>').error
    assert parse_answer("{" * 100_000).error


@pytest.mark.parametrize(
    "value", [[], {}, {"name": 3}, {"name": "f", "arguments": "no"}, {"name": "f", "arguments": []}]
)
def test_what_is_no_call_is_refused_with_a_reason(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_call(value)


def test_key_order_and_call_order_are_free_but_values_are_not() -> None:
    left = [ToolCall(name="f", arguments={"a": 1, "b": 2}), ToolCall(name="g")]
    right = [ToolCall(name="g"), ToolCall(name="f", arguments={"b": 2.0, "a": 1})]
    assert same_calls(left, right)
    assert not same_calls(
        [ToolCall(name="f", arguments={"a": True})], [ToolCall(name="f", arguments={"a": 1})]
    )
    assert not same_calls(left, left[:1])


def test_arguments_at_their_default_are_unset() -> None:
    call = ToolCall(name="set_light", arguments={"fade": False, "room": "hall"})
    assert LIGHTS.canonical(call).arguments == {"room": "hall"}
    kept = ToolCall(name="set_light", arguments={"fade": 0, "brightness": 3, "room": "hall"})
    assert list(LIGHTS.canonical(kept).arguments) == ["room", "brightness", "fade"]


def test_whole_numbers_of_members_by_a_pattern_are_integers() -> None:
    schema = {"type": "object", "patternProperties": {"^room_": {"type": "integer"}}}
    toolset = Toolset.from_openai([{"name": "heat", "parameters": schema}])
    call = ToolCall(name="heat", arguments={"room_a": 3.0, "note": 3.0})
    for said in (toolset.canonical(call), toolset.as_defined(call)):
        assert [type(said.arguments[name]) for name in ("room_a", "note")] == [int, float]


def test_a_required_argument_stays_at_its_default() -> None:
    unit = {"enum": ["c", "f"], "default": "c"}
    schema = {
        "type": "object",
        "properties": {"unit": unit, "city": {"type": "string"}},
        "required": ["unit"],
    }
    tools = Toolset.from_openai([{"name": "weather", "parameters": schema}])
    call = ToolCall(name="weather", arguments={"city": "Rome", "unit": "c"})
    assert tools.canonical(call) == call
    assert tools.problems(tools.canonical(call)) == []
    assert answers(tools).begins(render_calls([tools.canonical(call)]).encode())


def test_problems_name_what_the_schema_forbids() -> None:
    assert LIGHTS.problems(ToolCall(name="set_light", arguments={"room": "hall"})) == []
    assert "unknown tool" in LIGHTS.problems(ToolCall(name="fly"))[0]
    assert (
        len(LIGHTS.problems(ToolCall(name="set_light", arguments={"brightness": 300, "colour": "red"}))) == 3
    )


PHONE = "<PHONE_1>"
ORDER = Toolset.from_openai(
    [
        {
            "name": "track",
            "parameters": {
                "type": "object",
                "properties": {
                    "order": {"type": "integer", "minimum": 1},
                    "code": {"type": "string", "pattern": r"^\d{8}$", "maxLength": 8},
                    "several": {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
                    "place": {"type": "object", "properties": {"street": {"enum": ["a", "b"]}}},
                },
                "required": ["order"],
            },
        }
    ]
)


def test_a_placeholder_need_not_satisfy_a_schema() -> None:
    personal = {"order": PHONE, "code": PHONE, "several": [5, PHONE], "place": {"street": PHONE}}
    assert ORDER.problems(ToolCall(name="track", arguments=personal)) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"order": f"{PHONE}?"}, "not of type 'integer'"),
        ({"order": "<ORDER_1>"}, "not of type 'integer'"),
        ({"order": PHONE, "code": "12"}, "does not match"),
        ({"order": 5, "several": [PHONE, "x"]}, "is not valid under any"),
        ({"order": 5, "place": PHONE, "colour": PHONE}, "unknown arguments"),
        ({"code": PHONE}, "'order' is a required property"),
    ],
)
def test_a_placeholder_excuses_nothing_but_itself(arguments: dict[str, object], said: str) -> None:
    (problem,) = ORDER.problems(ToolCall.model_validate({"name": "track", "arguments": arguments}))
    assert said in problem


def test_the_digest_is_of_the_definitions() -> None:
    again = Toolset.from_openai(LIGHTS.openai())
    assert again.digest == LIGHTS.digest
    assert Toolset.from_openai([]).digest != LIGHTS.digest

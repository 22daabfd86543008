"""Every walk through the grammar is a valid answer, and every valid call is a walk."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.tool_call import NO_CALL_TEXT, ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.decoding.automaton import DEAD, START, AnswerAutomaton
from distil_dag.stages.decoding.schema_grammar import answers
from distil_dag.stages.nlu.spans import stands_in
from distil_dag_tests.stages.decoding.schema_walks import tool, walk

ROOM = {"type": "object", "properties": {"floor": {"type": "integer"}, "name": {"type": "string"}}}
LEVEL = {"type": "integer", "minimum": 0, "maximum": 100}
DEGREES = {"type": "number", "minimum": -5.5, "exclusiveMaximum": 30}
ROOMS = {"type": "array", "items": {"type": "string", "minLength": 2}, "minItems": 1, "maxItems": 3}
NOTE = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/n"}]}
TOOLS = Toolset.from_openai(
    [
        tool("light_on", ("room",), room={"type": "string"}, level=LEVEL),
        tool("light_off", room={"type": "string", "maxLength": 4}, slowly={"type": "boolean"}),
        tool("heat", ("to",), to=DEGREES, mode={"enum": ["eco", 2, None]}),
        tool("tidy", rooms=ROOMS),
        tool("map", ("room",), room={**ROOM, "required": ["floor"]}, note=NOTE),
    ]
)
TOOLS.tools[-1].parameters["$defs"] = {"n": {"type": "string"}}


def accepted(automaton: AnswerAutomaton, text: str) -> bool:
    state = automaton.step(START, text.encode())
    return state != DEAD and automaton.ends(state)


@pytest.mark.parametrize("seed", range(40))
def test_every_walk_is_a_valid_answer(seed: int) -> None:
    said = walk(answers(TOOLS, most_calls=2), random.Random(seed)).decode()
    answer = parse_answer(said)
    assert answer.error is None, said
    assert said == NO_CALL_TEXT or 1 <= len(answer.calls) <= 2
    for call in answer.calls:
        assert TOOLS.problems(call) == [], said


INTEGERS = st.integers(-(10**20) + 1, 10**20 - 1)
CALLS = st.one_of(
    st.builds(
        lambda room, level: ("light_on", {"room": room} | level),
        st.text(),
        st.sampled_from([{}, {"level": 0}, {"level": 7}, {"level": 100}]),
    ),
    st.builds(
        lambda to: ("heat", {"to": to}), st.integers(-5, 29) | st.sampled_from([-5.5, 0.25, 29.999, -0.5])
    ),
    st.builds(
        lambda rooms: ("tidy", {"rooms": rooms}), st.lists(st.text(min_size=2), min_size=1, max_size=3)
    ),
    st.builds(lambda n, note: ("map", {"room": {"floor": n}, "note": note}), INTEGERS, st.none() | st.text()),
)


@settings(max_examples=300, deadline=None)
@given(CALLS)
def test_every_valid_call_is_accepted(named: tuple[str, dict[str, Any]]) -> None:
    call = ToolCall(name=named[0], arguments=named[1])
    assert TOOLS.problems(call) == []
    assert accepted(AUTOMATON, render_calls([call])), render_calls([call])


AUTOMATON = AnswerAutomaton(answers(TOOLS))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("light_on", {}),
        ("light_on", {"room": "hall", "level": 101}),
        ("light_on", {"level": 5, "room": "hall"}),  # not in the order of the schema
        ("light_on", {"room": "hall", "colour": "red"}),
        ("light_off", {"room": "kitchen"}),
        ("light_off", {"room": 4}),
        ("heat", {"to": 30}),
        ("heat", {"to": -5.6}),
        ("heat", {"to": 1, "mode": "warm"}),
        ("tidy", {"rooms": []}),
        ("tidy", {"rooms": ["a"]}),
        ("tidy", {"rooms": ["ab"] * 4}),
        ("map", {"room": {"name": "hall"}}),
        ("dance", {}),
    ],
)
def test_what_is_not_valid_cannot_be_said(name: str, arguments: dict[str, Any]) -> None:
    assert not accepted(AUTOMATON, render_calls([ToolCall(name=name, arguments=arguments)]))


def test_calls_and_declining_are_counted() -> None:
    call = ToolCall(name="light_off")
    one = AnswerAutomaton(answers(TOOLS, most_calls=1, may_decline=False))
    assert accepted(one, render_calls([call]))
    assert not accepted(one, render_calls([call, call]))
    assert not accepted(one, NO_CALL_TEXT)
    assert accepted(AUTOMATON, render_calls([call] * 5))
    assert accepted(AUTOMATON, NO_CALL_TEXT)
    assert accepted(AnswerAutomaton(answers(TOOLS, most_calls=0)), NO_CALL_TEXT)


@pytest.mark.parametrize(
    "text", [b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\n", b"\\u", b"\\ud800", b"\xff"]
)
def test_a_string_holds_nothing_but_characters(text: bytes) -> None:
    before = b'<tool_call>{"name":"light_on","arguments":{"room":"'
    assert AUTOMATON.step(START, before + text + b'"') == DEAD
    assert AUTOMATON.step(START, before + "é😀\\u00e9\\n".encode() + b'"') != DEAD


def test_an_object_that_takes_no_other_keys_has_a_grammar() -> None:
    """A tool without arguments is one, whatever its schema leaves open."""
    none = {"type": "object", "additionalProperties": False}
    tools = Toolset.from_openai(
        [tool(x={**ROOM, "additionalProperties": False}, none=none), {"name": "go", "parameters": {}},
         {"name": "stop", "parameters": {"type": "object", "additionalProperties": True}}]
    )  # fmt: skip
    automaton = AnswerAutomaton(answers(tools))
    for call in (
        ToolCall(name="act", arguments={"x": {"floor": 5, "name": "hall"}, "none": {}}),
        ToolCall(name="go"),
        ToolCall(name="stop"),
    ):
        assert accepted(automaton, render_calls([call]))


@pytest.mark.parametrize(
    "value",
    [
        {"to": {"name": "Rome", "floor": 1}, "from": {"floor": 0}},
        {"stops": [{"name": "Bonn", "floor": 2}], "to": {"floor": 1}},
        {"stops": [], "from": {"name": "Oslo", "floor": 5}, "to": {"floor": 3}},
    ],
)
def test_a_nested_object_is_sayable_however_it_was_logged(value: dict[str, Any]) -> None:
    room = {"$ref": "#/$defs/room"}
    trip = {
        "type": "object",
        "properties": {"from": {"anyOf": [{"type": "null"}, room]}, "to": room,
                       "stops": {"type": "array", "items": room}},
        "required": ["to"],
    }  # fmt: skip
    tools = Toolset.from_openai([tool(trip=trip)])
    tools.tools[0].parameters["$defs"] = {"room": {**ROOM, "required": ["floor"]}}
    call = ToolCall(name="act", arguments={"trip": value})
    assert tools.problems(call) == []
    assert tools.canonical(call) == call
    assert accepted(AnswerAutomaton(answers(tools)), render_calls([tools.canonical(call)]))


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"$ref": "#/$defs/text", "maxLength": 2}, ["", "ab"], ["abc", 5]),
        ({"$ref": "#/$defs/text", "enum": ["a", 5]}, ["a"], ["b", 5]),
        ({"$ref": "#/$defs/more", "title": "X", "type": "integer"}, [2], [2.5, 1, "2"]),
        ({"anyOf": [{"type": "number"}, {"type": "null"}], "type": ["integer", "null"]}, [5, None], [0.5]),
        ({"anyOf": [{"$ref": "#/$defs/text"}, {"enum": ["", 5]}], "minLength": 1}, ["a", 5], [""]),
        ({"enum": ["a", 5], "anyOf": [{"$ref": "#/$defs/text"}]}, ["a"], [5]),
    ],
)
def test_what_stands_beside_a_reference_counts_as_well(
    schema: dict[str, Any], right: list[Any], wrong: list[Any]
) -> None:
    tools = Toolset.from_openai([tool(required=("x",), x=schema)])
    more = {"type": "number", "exclusiveMinimum": 1}
    tools.tools[0].parameters["$defs"] = {"text": {"type": "string"}, "more": more}
    automaton = AnswerAutomaton(answers(tools))
    for value in [*right, *wrong]:
        call = ToolCall(name="act", arguments={"x": value})
        assert accepted(automaton, render_calls([call])) is (value in right), value
        assert bool(tools.problems(call)) is (value in wrong), value


NUMBERS: tuple[dict[str, Any], ...] = (
    {},
    {"minimum": 0, "maximum": 1},
    {"exclusiveMinimum": 0},
    {"exclusiveMinimum": -2.5e-7, "exclusiveMaximum": 3e17},
    {"exclusiveMinimum": 29.999999999999996, "maximum": 30.000000000000004},
    {"maximum": -1e-300},
    {"minimum": 4e18, "exclusiveMaximum": 5e18},
)


def of_number(bounds: dict[str, Any], kind: str = "number") -> tuple[Toolset, AnswerAutomaton]:
    tools = Toolset.from_openai([tool(required=("x",), x={"type": kind, **bounds})])
    return tools, AnswerAutomaton(answers(tools, 1, False))


@pytest.mark.parametrize("bounds", NUMBERS, ids=str)
def test_every_walk_through_a_number_lies_between_its_bounds(bounds: dict[str, Any]) -> None:
    tools, _ = of_number(bounds)
    for seed in range(200):
        said = walk(answers(tools, 1, False), random.Random(seed)).decode()
        (call,) = parse_answer(said).calls
        assert tools.problems(call) == [], said


OF_NUMBERS = [of_number(bounds) for bounds in NUMBERS]


SIZES = (
    st.floats(1e-307, 1e307)
    | st.floats(1e-9, 1)
    | st.floats(4e18, 5e18)
    | st.sampled_from([48.85661400000001, 1e-10, 5e20, 7e-05, 29.999999999999996, 30.0, 1e-300])
)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(OF_NUMBERS), SIZES | SIZES.map(lambda size: -size) | INTEGERS)
def test_a_number_is_sayable_as_json_writes_it_if_the_schema_takes_it(
    numbers: tuple[Toolset, AnswerAutomaton], value: float
) -> None:
    tools, automaton = numbers
    call = ToolCall(name="act", arguments={"x": value})
    assert accepted(automaton, render_calls([call])) is not bool(tools.problems(call))


@pytest.mark.parametrize(
    "text", ["1e5", "1.5e-4", "10e+20", "0e+16", "1e+999", "01", "-0", "1.", "1e", ".5", "1e+016"]
)
def test_how_json_writes_no_number(text: str) -> None:
    _, automaton = of_number({})
    assert not accepted(automaton, f'<tool_call>{{"name":"act","arguments":{{"x":{text}}}}}</tool_call>')


@pytest.mark.parametrize("value", [175928847299117063, 18446744073709551615, -9223372036854775808])
def test_whole_numbers_of_64_bits_are_sayable(value: int) -> None:
    _, automaton = of_number({}, "integer")
    assert accepted(automaton, render_calls([ToolCall(name="act", arguments={"x": value})]))


COPIED = [("light_on", "room"), ("light_off", "room")]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_copied_is_words_of_the_request(seed: int) -> None:
    request = "please: the café's 日本 room, number 12"
    answer = parse_answer(walk(answers(TOOLS, 1, False, COPIED, request), random.Random(seed)).decode())
    for call in answer.calls:
        if call.name == "light_on":
            assert stands_in(str(call.arguments["room"]), request)


@pytest.mark.parametrize(
    ("request_", "room", "may_be_said"),
    [
        ("打开客厅的灯", "客厅", True),
        ("打开tv吧", "tv", True),
        ("打开tv吧", "t", False),
        ("เปิดไฟห้องนอน", "ห้องนอน", True),
        ("เปิดไฟห้องนอน", "ห้องนอ", True),
        ("เปิดไฟห้องน้ำ", "ห้องน", False),
        ("दिल्ली का मौसम", "दिल", False),
    ],
)
def test_where_no_spaces_are_written_any_letters_are_words(
    request_: str, room: str, may_be_said: bool
) -> None:
    said = render_calls([ToolCall(name="light_on", arguments={"room": room})])
    assert accepted(AnswerAutomaton(answers(TOOLS, copied=COPIED, words=request_)), said) == may_be_said
    assert stands_in(room, request_) == may_be_said


@pytest.mark.parametrize("request_", ["", "  ", 'the "hall"', "a\nhall", "the <tool_call> hall"])
def test_without_words_that_json_writes_alike_any_text_may_be_said(request_: str) -> None:
    automaton = AnswerAutomaton(answers(TOOLS, copied=COPIED, words=request_))
    assert accepted(automaton, render_calls([ToolCall(name="light_on", arguments={"room": "attic"})]))


def test_what_is_copied_by_one_tool_is_free_in_another_of_a_like_name() -> None:
    event = {"type": "object", "properties": {"title": {"type": "string"}}}
    tools = Toolset.from_openai(
        [tool("calendar", event=event), tool("calendar.event", title={"type": "string"})]
    )
    automaton = AnswerAutomaton(answers(tools, copied=[("calendar.event", "title")], words="add gym"))
    free = ToolCall(name="calendar", arguments={"event": {"title": "Workout"}})
    held = ToolCall(name="calendar.event", arguments={"title": "Workout"})
    assert accepted(automaton, render_calls([free]))
    assert not accepted(automaton, render_calls([held]))


def test_a_text_of_limited_length_is_not_held_to_the_request() -> None:
    automaton = AnswerAutomaton(answers(TOOLS, copied=COPIED, words="the hall"))
    assert accepted(automaton, render_calls([ToolCall(name="light_off", arguments={"room": "bath"})]))
    assert accepted(automaton, render_calls([ToolCall(name="light_on", arguments={"room": "the hall"})]))
    for room in ("bath", "hal", "all", "hall ", "", "Hall"):
        call = ToolCall(name="light_on", arguments={"room": room})
        assert not accepted(automaton, render_calls([call]))

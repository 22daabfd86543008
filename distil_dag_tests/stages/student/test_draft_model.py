"""Drafts of answers: what they learn, and how they go on from what was said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from distil_dag.core.case import Case, Message
from distil_dag.core.tool_call import NO_CALL_TEXT, ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.student.draft_model import DraftModel

TOOLS = Toolset.from_openai(
    [
        {"name": name, "parameters": {"type": "object", "properties": {"room": {"type": "string"}, **more}}}
        for name, more in (
            ("light_on", {}), ("light_off", {}), ("light_set", {"level": {"type": "integer"}}),
        )
    ]
)  # fmt: skip
ROOMS = ("kitchen", "hall", "attic", "wine cellar", "living room")


def case(words: str, name: str = "", **arguments: Any) -> Case:
    calls = (ToolCall(name=name, arguments=arguments),) if name else ()
    return Case(id=words, messages=(Message(role="user", content=words),), calls=calls)


ROWS = [
    row
    for room in ROOMS
    for row in (
        case(f"turn on the light in the {room}", "light_on", room=room),
        case(f"turn off the {room} light", "light_off", room=room),
        case(f"set the {room} light to 40 percent", "light_set", room=room, level=40),
        case("lights out", "light_off"),
        case(f"tell me a joke about the {room}"),
    )
]
HABITS = DraftModel.loads(DraftModel.fit(ROWS, TOOLS).dumps(), TOOLS)
OFF = '<tool_call>{"name":"light_off","arguments":{'


def call(name: str, **arguments: Any) -> str:
    return render_calls([ToolCall(name=name, arguments=arguments)])


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("turn on the light in the garage", call("light_on", room="garage")),
        ("turn off the guest room light", call("light_off", room="guest room")),
        ("set the garage light to 25 percent", call("light_set", room="garage", level=25)),
        ("lights out", call("light_off")),
        ("tell me a joke about the garage", NO_CALL_TEXT),
    ],
)
def test_what_a_request_like_others_will_be_answered(words: str, answer: str) -> None:
    assert HABITS.draft(words)(b"").decode() == answer


@pytest.mark.parametrize(
    ("said", "rest"),
    [
        ('<tool_call>{"name":"light_o', 'ff","arguments":{"room":"garage"}}</tool_call>'),
        # Another tool, argument or value than foreseen: on with what still fits.
        ('<tool_call>{"name":"light_on"', ',"arguments":{"room":"garage"}}</tool_call>'),
        (OFF + '"room":"gar', 'age"}}</tool_call>'),
        (OFF + '"room":"li', 'ght"}}</tool_call>'),
        (OFF + '"room":"attic"', "}}</tool_call>"),
        (OFF + "}", "}</tool_call>"),
        (call("light_off", room="garage"), ""),
        ("Sorry", ""),
    ],
)
def test_a_draft_goes_on_from_what_was_said(said: str, rest: str) -> None:
    assert HABITS.draft("turn off the garage light")(said.encode()).decode() == rest


def test_a_whole_answer_ends_by_itself() -> None:
    model = DraftModel.fit(ROWS, TOOLS)
    calls = (ToolCall(name="light_off", arguments={"room": "attic"}),)
    assert model.answer("turn off the attic light") == render_calls(calls)
    assert model.answer("tell me a joke about the attic") == NO_CALL_TEXT
    assert DraftModel.unknown(TOOLS).answer("turn off the attic light") in ("", *map(render_calls, [calls]))


def test_habits_are_counted() -> None:
    assert (HABITS.most_calls, HABITS.declines) == (1, True)
    two = Case(
        **{**case("both", "light_on").model_dump(), "calls": [{"name": "light_on"}, {"name": "light_off"}]}
    )
    found = DraftModel.fit([two] * 3, TOOLS)
    assert (found.most_calls, found.declines) == (2, False)
    first = call("light_on")
    assert found.draft("both")(b"").decode() == first
    assert found.draft("both")(first.encode()).decode() == "\n" + call("light_off")
    assert found.draft("both")(f"{first}\n".encode()).decode() == call("light_off")


def test_words_of_few_rows_do_not_travel() -> None:
    rows = [*ROWS, case("turn on the light of alessandra", "light_on", room="alessandra")]
    assert "alessandra" not in DraftModel.fit(rows, TOOLS).dumps()


def test_without_rows_values_are_copied() -> None:
    draft = DraftModel.unknown(TOOLS).draft("turn off the garage light")
    assert draft(b"") == b""
    assert draft((OFF + '"room":"ga').encode()) == b'rage"}}</tool_call>'


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "[1, true, [[], {}], 7]", '[1, true, [[], {"a": 1}], [[], {}]]']
)
def test_broken_habits_say_so(text: str) -> None:
    with pytest.raises(ValueError, match="habits in the model's file"):
        DraftModel.loads(text, TOOLS)


def test_the_habits_in_a_file_of_an_earlier_version_are_read() -> None:
    tools = [['["light_on"]', '["light_off"]'], {"off": {"0": -300, "1": 300}, "on": {"0": 300, "1": -300}}]
    tags = [["", "room"], {"": {"0": 50}, "l=the": {"0": -200, "1": 200}, "e=ght": {"0": 900, "1": -900}}]
    found = DraftModel.loads(json.dumps([1, True, [["light_off", "room"]], tools, tags]), TOOLS)
    assert (found.most_calls, found.declines, found.copied) == (1, True, [("light_off", "room")])
    assert found.draft("turn off the garage light")(b"").decode() == call("light_off", room="garage")
    assert found.draft("light on")(b"").decode() == call("light_on")


def test_what_was_always_copied_is_known() -> None:
    rooms = [case(f"turn on the light in the {n}th wing", "light_on", room=f"{n}th wing") for n in range(25)]
    set_ = [case(f"the wing at {n}", "light_set", room="Wing" if n else "wing", level=n) for n in range(25)]
    few = [case("the hall is too bright", "light_off", room="hall")]
    found = DraftModel.fit([*rooms, *set_, *few], TOOLS)
    assert found.copied == [("light_on", "room")]
    assert DraftModel.loads(found.dumps(), TOOLS).copied == found.copied


def test_where_all_texts_were_copied_rare_ones_are_too() -> None:
    rooms = [case(f"turn on the light in the {n}th wing", "light_on", room=f"{n}th wing") for n in range(19)]
    few = [case("set the hall to 4", "light_set", room="hall", level=4)]
    assert DraftModel.fit(rooms, TOOLS).copied == []
    places = [("light_off", "room"), ("light_on", "room"), ("light_set", "room")]
    assert DraftModel.fit([*rooms, *few], TOOLS).copied == places
    said_otherwise = [case("out with the lights", "light_off", room="all")]
    assert DraftModel.fit([*rooms, *few, *said_otherwise], TOOLS).copied == []
    text = {"type": "string"}
    properties = {"room": text, "tone": {**text, "enum": ["w", "c"]}, "until": {**text, "format": "time"}}
    parameters = {"type": "object", "properties": properties}
    coded = Toolset.from_openai([{"name": "light_on", "parameters": parameters}])
    assert DraftModel.fit([*rooms, *rooms], coded).copied == [("light_on", "room")]


def test_an_argument_whose_schema_is_referred_to_is_drafted() -> None:
    refer = {"room": {"$ref": "#/$defs/room"}, "level": {"$ref": "#/$defs/level"}}
    defs = {"room": {"type": "string"}, "level": {"type": "integer"}}
    tools = Toolset.from_openai(
        [
            {"name": tool.name, "parameters": {"type": "object", "$defs": defs, "properties": refer}}
            for tool in TOOLS.tools
        ]
    )
    draft = DraftModel.fit(ROWS, tools).draft("set the garage light to 25 percent")
    assert draft(b"").decode() == call("light_set", room="garage", level=25)

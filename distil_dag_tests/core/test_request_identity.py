"""A request is its words and what they depend on, and no more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_dag.core.case import Case, Message, Trace
from distil_dag.core.leaks import find_copies
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.settings import TestSpec as HeldOutSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.splitting.holdout import hold_out

ON = ToolCall(name="on")
DIMMED = ("dim the kitchen lights", "Now?", "yes")


def conversation(*said: str, acting: bool = False) -> Case:
    """Turns of user and assistant in turn, the last one the user's."""
    turns = []
    for place, words in enumerate(reversed(said)):
        calls = (ON,) if acting and place % 2 else ()
        turns.append(Message(role="assistant" if place % 2 else "user", content=words, tool_calls=calls))
    return Case(id=" ".join(said), messages=tuple(reversed(turns)))


def trace_of(id: str, case: Case, call: ToolCall) -> Trace:
    return Trace(id=id, messages=case.messages, calls=(call,))


def identities(cases: Iterable[Case]) -> list[str]:
    return [ENGLISH.identity(case) for case in cases]


@given(st.text())
def test_a_request_with_nothing_before_it_is_its_words(text: str) -> None:
    case = conversation(text)
    assert ENGLISH.identity(case) == ENGLISH.key(text)
    assert ENGLISH.identities(case) == {ENGLISH.key(text)}
    assert ENGLISH.asked(case) == [text]


@pytest.mark.parametrize(
    "words",
    [
        "Yes, please", "No", "ok", "Go ahead", "the second one", "50 percent", "and the kitchen too",
        "brighter", "turn it off", "cancel that", "what about the living room?", "no, the kitchen lamp",
        "make it 20", "tell her I'm late", "是的", "",
    ],
)  # fmt: skip
def test_what_points_back_is_another_request_behind_another_question(words: str) -> None:
    cases = [conversation("hello house", f"Do you mean lamp {n}?", words) for n in range(20)]
    assert len(set(identities(cases))) == 20


@pytest.mark.parametrize(
    "words",
    [
        "turn on the lamp", "lights on", "play some jazz", "set an alarm for 7 am", "打开客厅的灯",
        "call Anna", "is it going to rain in Boston tomorrow?", "And turn on the lamp in the kitchen",
    ],
)  # fmt: skip
def test_what_stands_alone_is_one_request_behind_anything(words: str) -> None:
    chatter = ("tell me a joke", "hi", "what is love", "yes", "")
    cases = [conversation(said, f"Well, {n}. Anything else?", words) for n, said in enumerate(chatter)]
    assert set(identities(cases)) == {ENGLISH.key(words)}


def test_a_reply_to_a_reply_depends_on_what_both_depend_on() -> None:
    first, second = (
        conversation(f"dim {room} lights", "Now?", "yes", "To 20 percent?", "no, 30")
        for room in ("kitchen", "hall")
    )
    assert ENGLISH.identity(first) != ENGLISH.identity(second)
    greeted, asked = conversation("hello", "Hi!", *DIMMED), conversation("so what", "Nothing.", *DIMMED)
    assert ENGLISH.identity(greeted) == ENGLISH.identity(asked)


def test_what_the_assistant_reports_makes_no_difference_but_what_it_asks_does() -> None:
    reports = ("Done.", "The lamp is on.", "")
    done = [conversation("turn on the lamp", said, "and the kitchen too", acting=True) for said in reports]
    assert len(set(identities(done))) == 1
    asked = [conversation("lamp on", said, "the first one", acting=True) for said in ("A or B?", "C or D?")]
    assert len(set(identities(asked))) == 2


def test_a_task_in_another_language_brings_its_own_words() -> None:
    german = replace(ENGLISH, replies=("ja", "nein"), references=("es",), connectives=("und",))
    assert not german.stands_alone("ja nein ja")
    assert not german.stands_alone("mach es aus")
    assert not german.stands_alone("und die lampe")
    assert german.stands_alone("mach die lampe aus")
    assert german.stands_alone("turn it off now")


def test_only_the_same_question_makes_a_held_out_reply_a_copy() -> None:
    rows = [
        trace_of(f"{n:02}", conversation("good morning", f"Shall I do thing {n}?", "Yes, please"), ON)
        for n in range(20)
    ]
    later = trace_of("later", conversation("good morning", "Shall I do thing 3?", "yes", "Done.", "stop"), ON)
    tools = Toolset.from_openai([{"name": "on"}])
    split, _ = hold_out([*rows, later], [rows[3]], HeldOutSpec(), tools, 1.0)
    assert split.test[0].production == (ON,)
    assert {row.id for row in rows} - {row.id for row in split.rest} == {"03"}
    assert later not in split.rest
    assert [leak.row for leak in find_copies([rows[3]], [*rows, later], ENGLISH)] == ["03"]

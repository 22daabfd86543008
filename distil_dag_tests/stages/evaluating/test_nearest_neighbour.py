from __future__ import annotations

import pytest

from distil_dag.core.case import Case, Message
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.evaluating.nearest_neighbour import nearest_calls


def logged(request: str, name: str, place: int = 0) -> Case:
    return Case(
        id=f"{place}", messages=(Message(role="user", content=request),), calls=(ToolCall(name=name),)
    )


def names(requests: list[str], log: list[Case]) -> list[str]:
    asked = [logged(request, "") for request in requests]
    return [calls[0].name for calls in nearest_calls(asked, log, ENGLISH)]


def test_the_rarer_shared_word_decides() -> None:
    log = [
        logged("turn on the lamp", "lamp"),
        logged("turn on the kettle", "kettle"),
        logged("turn up", "up"),
    ]
    assert names(["please turn on that KETTLE", "the lamp!"], log) == ["kettle", "lamp"]


def test_a_script_without_spaces_is_compared_by_its_letters() -> None:
    log = [logged("打开客厅的灯", "on"), logged("关掉卧室的灯", "off"), logged("关掉厨房的灯", "off")]
    assert names(["麻烦打开书房的灯", "把书房的灯关掉吧"], log) == ["on", "off"]


def test_of_equally_near_ones_the_most_frequent_then_the_first() -> None:
    log = [logged("lights off", "a"), logged("lights off", "b"), logged("Lights, off.", "b")]
    assert names(["lights off"], log) == ["b"]
    assert names(["lights off"], log[:2]) == ["a"]
    assert names(["lights off"], log[1::-1]) == ["b"]


@pytest.mark.parametrize("request_text", ["", "🙂", "unknown words only", "\x00"])
def test_a_request_without_a_known_word_gets_the_usual_call(request_text: str) -> None:
    log = [logged("lamp on", "a"), logged("kettle on", "b"), logged("kettle", "b")]
    assert names([request_text], log) == ["b"]


def test_a_log_without_words_and_an_empty_log() -> None:
    assert names(["lamp"], [logged("🙂", "a")]) == ["a"]
    assert nearest_calls([], [logged("lamp", "a")], ENGLISH) == []
    with pytest.raises(ValueError, match="at least one trace"):
        nearest_calls([logged("lamp", "")], [], ENGLISH)


def test_a_reply_is_looked_up_with_what_it_replies_to() -> None:
    def reply(question: str, name: str) -> Case:
        turns = (Message(role="assistant", content=question), Message(role="user", content="Yes, please"))
        return Case(id=question, messages=turns, calls=(ToolCall(name=name),))

    log = [reply("Close the window?", "close"), reply("Feed the cat?", "feed"), logged("yes", "feed")]
    found = nearest_calls([reply("Shall I close the window?", "")], log, ENGLISH)
    assert found == [log[0].calls]

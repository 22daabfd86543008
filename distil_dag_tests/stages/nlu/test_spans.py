"""Values in words: where they stand, and what a request says with others in their place."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_dag.core.case import Example, Message
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.nlu.spans import (
    Words,
    delexicalise,
    grams,
    locate,
    number_words,
    slot_tags,
    tokens,
)
from distil_dag.stages.nlu.value_catalogue import ValueCatalogue
from distil_dag.stages.synthesis.coverage_plan import Cell, largest_remainder, re_aim
from distil_dag.stages.synthesis.slot_substitution import SlotSubstituter
from distil_dag_tests.stages.synthesis.lamp_teacher import TOOLS


def _case(words: str, tool: str, **arguments: Any) -> Example:
    return Example(
        id=words,
        messages=(Message(role="user", content=words),),
        calls=(ToolCall(name=tool, arguments=arguments),),
        origin="seed",
    )


@pytest.mark.parametrize(
    ("value", "text", "found"),
    [
        ("fan", "turn the fan on", ["fan"]),
        ("fan", "turn the fancy lamp on", []),
        ("t. v.", "switch the t. v. off", ["t. v."]),
        ("living_room", "lights in the Living Room", ["Living Room"]),
        (20, "set it to 20%", ["20"]),
        (20, "set it to twenty percent", ["twenty"]),
        (20, "set it to 120 or 20.5", []),
        (2.0, "make it 2 degrees", ["2"]),
        (21, "to twenty-one degrees", ["twenty-one"]),
        (True, "true", []),
        (None, "none", []),
        (["a"], "a", []),
        ("", "anything", []),
        ("c++", "play c++ now", ["c++"]),
        ("المطبخ", "في المطبخ الآن", ["المطبخ"]),
        ("客厅", "打开客厅的灯", ["客厅"]),
        ("キッチン", "キッチンの灯りをつけて", ["キッチン"]),
        ("ห้องนอน", "เปิดไฟห้องนอนหน่อย", ["ห้องนอน"]),
        ("กน", "กินข้าว", []),
        ("ห้องนอ", "ห้องน้อย", []),
        ("tv", "打开tv吧", ["tv"]),
        ("tv", "เปิดที่tv", ["tv"]),
        ("tv", "打开tvs吧", []),
        (-5, "set it to -5", ["-5"]),
        (-5, "set it to -5.5", []),
        (20, "调到20度", ["20"]),
        (20, "调到120度或20.5度", []),
        ("दिल", "दिल्ली का मौसम", []),
        ("दिल्ली", "दिल्ली का मौसम", ["दिल्ली"]),
        ("cafe", "the cafe\u0301 now", []),
        ("_", "a  b", []),
    ],
)
def test_a_value_is_found_as_whole_words(value: Any, text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in locate(value, text)] == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't dim to 20%", ["don't", "dim", "to", "20", "%"]),
        ("打开TV 2。谢谢", ["打", "开", "tv", "2", "。", "谢", "谢"]),
        ("ไฟห้อง20", ["ไ", "ฟ", "ห้", "อ", "ง", "20"]),
        ("दिल्ली का", ["दिल्ली", "का"]),
        ("cafe\u0301 ❤\ufe0f", ["cafe\u0301", "❤\ufe0f"]),
    ],
)
def test_a_letter_is_a_word_where_no_spaces_are_written(text: str, words: list[str]) -> None:
    assert [word for word, _, _ in tokens(text)] == words


@given(st.text(st.sampled_from("ab 1.'_-客のー๒กิำ\u3099\u0301\u200dिद❤\ufe0f")))
def test_words_hold_all_that_is_no_space_in_order(text: str) -> None:
    assert "".join(text[start:end] for _, start, end in tokens(text)) == "".join(text.split())


def test_a_long_value_has_as_many_letters_as_three_times_its_words() -> None:
    said = [gram for gram, _, _ in grams(["the", "living", "room"], 2)]
    assert said == ["the", "the living", "living", "living room", "room"]
    assert list(grams(list("リビングルーム"), 2))[:6][-1] == ("リ ビ ン グ ル ー", 0, 6)
    assert max(end - start for _, start, end in grams(list("リビングルーム"), 2)) == 6
    assert ("on 灯 の", 0, 3) in list(grams(["on", "灯", "の"], 2))


@given(st.integers(-999, 999))
def test_a_number_is_found_in_its_own_words(number: int) -> None:
    said = number_words(number)
    assert said
    assert locate(number, f"make it {said} please")


def test_a_template_takes_other_values_in_the_manner_of_its_own() -> None:
    template = delexicalise(_case("heat a hall to twenty degrees", "set_heat", degrees=20, room="hall"))
    assert template.carrier == "heat a [room] to [degrees] degrees"
    text, calls = template.fill({(0, "degrees"): 25, (0, "room"): "attic"})
    assert text == "heat an attic to twenty five degrees"
    assert calls == (ToolCall(name="set_heat", arguments={"degrees": 25, "room": "attic"}),)
    assert (
        delexicalise(_case("heat to 20", "set_heat", degrees=20)).fill({(0, "degrees"): 7})[0] == "heat to 7"
    )


def test_values_that_overlap_stay_as_they_are() -> None:
    template = delexicalise(
        _case("clean the house cleaning corner", "lamp_on", room="house cleaning", lamp="house")
    )
    assert template.slots == ()
    assert template.fill({(0, "room"): "attic"})[0] == "clean the house cleaning corner"


def test_crossed_requests_keep_each_slot_once() -> None:
    cases = [
        _case("please switch on the lights in the hall at once", "lamp_on", room="hall"),
        _case("in the kitchen switch on the lights", "lamp_on", room="kitchen"),
        _case("make it bright in the garage when i come", "lamp_on", room="garage"),
    ]
    source = SlotSubstituter(cases, ValueCatalogue.learn(cases, TOOLS))
    made = [source.cross(random.Random(n)) for n in range(50)]
    rows = [row for row in made if row is not None]
    assert rows
    for _, request, (call,), made_of in rows:
        assert len(set(made_of)) == 2
        assert len(locate(call.arguments["room"], request)) == 1
        assert sum(len(locate(room, request)) for room in ("hall", "kitchen", "garage")) == 1
    assert {row[1] for row in rows} - {case.request for case in cases}


def test_requests_without_spaces_are_crossed_at_values_only() -> None:
    cases = [
        _case("麻烦打开客厅的灯", "lamp_on", room="客厅"),
        _case("把卧室的开关打开吧", "lamp_on", room="卧室"),
    ]
    source = SlotSubstituter(cases, ValueCatalogue.learn(cases, TOOLS))
    made = {row[1] for row in (source.cross(random.Random(n)) for n in range(50)) if row is not None}
    assert made
    assert made <= {
        f"{before}{room}{after}"
        for before, after in (("麻烦打开", "的开关打开吧"), ("把", "的灯"))
        for room in ("客厅", "卧室")
    }


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40), st.booleans()), min_size=1, max_size=8),
)
def test_re_aiming_asks_for_what_is_missing_and_no_more(drawn: list[tuple[int, int, bool]]) -> None:
    cells = [Cell(f"c{n}", (), (), (), quota) for n, (quota, _, _) in enumerate(drawn)]
    accepted = {f"c{n}": done for n, (_, done, _) in enumerate(drawn)}
    closed = frozenset(f"c{n}" for n, (_, _, shut) in enumerate(drawn) if shut)
    needs = re_aim(cells, accepted, closed)
    assert not set(needs) & closed
    assert all(count > 0 for count in needs.values())
    quota, done = sum(cell.quota for cell in cells), sum(accepted.values())
    for cell in cells:
        assert accepted[cell.name] + needs.get(cell.name, 0) <= max(2 * cell.quota, accepted[cell.name])
    able = [2 * cell.quota - accepted[cell.name] for cell in cells if cell.quota and cell.name not in closed]
    if done < quota and able and min(able) >= quota:
        assert sum(needs.values()) >= quota - done


@given(
    st.dictionaries(st.text(max_size=3), st.floats(0.01, 100), min_size=1, max_size=10), st.integers(0, 500)
)
def test_shares_sum_to_the_total(weights: dict[str, float], total: int) -> None:
    shares = largest_remainder(weights, total)
    assert sum(shares.values()) == total
    assert all(count >= 0 for count in shares.values())


@pytest.mark.parametrize(
    ("text", "value", "place"),
    [
        ("send it to new york now", "new york", [3, 4]),
        ("o'hare and don't", "don", [2]),
        ("打开客厅的灯", "客厅", [2, 3]),
        ("send it", "bonn", []),
    ],
)
def test_the_words_of_a_value(text: str, value: str, place: list[int]) -> None:
    words = Words(text)
    assert words.places(value) == ([place] if place else [])
    tags, absent = slot_tags(words, (ToolCall(name="send", arguments={"to": value}),))
    assert [n for n, name in enumerate(tags) if name == "to"] == place
    assert absent == ([] if place else [("to", value)])

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_dag.core.normalise import ENGLISH, Normaliser, words
from distil_dag.core.task import Task


@pytest.mark.parametrize(
    "copy",
    [
        "Turn on the lights",
        "turn on lights.",
        "Olly, please turn on my lights!",
        "could you turn on the lights",
        "TURN  ON  LIGHTS",
    ],
)
def test_near_copies_share_a_key(copy: str) -> None:
    assert ENGLISH.key(copy) == ENGLISH.key("turn on the lights")


@pytest.mark.parametrize("other", ["turn off the lights", "turn on the light in the hall", "please", ""])
def test_other_requests_do_not(other: str) -> None:
    assert ENGLISH.key(other) != ENGLISH.key("turn on the lights")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("दिन बताओ", "दान बताओ"),
        ("कल", "काल"),
        ("กิน", "กัน"),
        ("மரம்", "மரமே"),
        ("ק\u05b9ר", "ק\u05b8ר"),
        ("set it to -5", "set it to 5"),
        ("set it to \u22125", "set it to 5"),
        ("调到-5度", "调到5度"),
        ("from (-2 to 3)", "from (2 to 3)"),
    ],
)
def test_vowel_signs_and_the_sign_of_a_number_make_another_request(one: str, other: str) -> None:
    assert ENGLISH.key(one) != ENGLISH.key(other)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mid-90s songs, 2-3 of them", ["mid", "90s", "songs", "2", "3", "of", "them"]),
        ("at 5 - 10 -- or \u22127", ["at", "5", "10", "or", "-7"]),
        ("- milk -eggs", ["milk", "eggs"]),
        ("दिन, caf\u0065\u0301!", ["दिन", "café"]),
        ("❤\ufe0f \u0301 ok", ["ok"]),
    ],
)
def test_words_without_punctuation(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_spaces_between_letters_that_need_none_change_no_key() -> None:
    assert ENGLISH.key("打开 客厅的灯。") == ENGLISH.key("打开客厅的灯") == "打开客厅的灯"
    assert ENGLISH.key("打开tv 吧") == "打开 tv 吧"
    assert words("キッチンの灯り") == list("キッチンの灯り")


def task(**language: list[str]) -> Task:
    settings = {"name": "haus", "traces": {"kind": "files", "path": "x"}, "language": language}
    return Task.model_validate({"settings": settings, "description": "", "tools": ()})


def test_a_task_that_says_nothing_speaks_english() -> None:
    assert task().normaliser == ENGLISH
    assert task().normaliser.key("Alexa, the lights please") == "lights"


def test_a_german_task_names_its_own_wake_word_and_fillers() -> None:
    german = task(wake_words=["Hey Olga"], fillers=["bitte", "das"]).normaliser
    assert german.key("Hey Olga, mach bitte das Licht an!") == german.key("MACH LICHT AN") == "mach licht an"
    assert german.key("the light") == "the light"


def test_a_wake_word_of_several_words_is_dropped_only_as_a_whole() -> None:
    assert Normaliser(("ok olga", "ok")).key("ok olga, ok, ruf olga an") == "ruf olga an"
    assert Normaliser(("小爱",)).key("小爱,我爱小灯") == "我爱小灯"


def test_a_filler_without_letters_drops_nothing() -> None:
    assert Normaliser(("", "!")).key("licht an!") == "licht an"


@given(st.text() | st.text(st.sampled_from("ab 1-\u22125'_-客のか゛\u3099ｶﾞー๒กิำ\u0301\u200dिद")))
def test_a_key_is_its_own_key(text: str) -> None:
    key = ENGLISH.key(text)
    assert ENGLISH.key(key) == key
    assert bool(key) == bool(text.strip())

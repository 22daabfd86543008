"""Forgotten words are found wherever they stand, and nothing but them."""

from __future__ import annotations

import html
import json

import pytest

from distil_dag.core.case import Message
from distil_dag.stages.forgetting.phrases import phrases_of
from distil_dag.stages.forgetting.tombstones import Tombstones
from distil_dag.stages.forgetting.values import BLOT, blotted, blotted_text, is_forgotten, without_forgotten
from distil_dag_tests import stand_ins as good

WORDS = 'tell "Käthe" that C:\\new\tis in that old house\'s attic & wait for her there at noon on Friday'


@pytest.fixture
def stones() -> Tombstones:
    stones = Tombstones()
    stones.add_ids(["trace-0001-of-ann", "17"])
    stones.add_phrases(phrases_of(WORDS))
    stones.add_phrases(phrases_of("Hildegard Meier"))
    return stones


@pytest.mark.parametrize(
    "text",
    [
        WORDS,
        WORDS.upper(),
        json.dumps(WORDS),
        json.dumps(json.dumps({"deep": WORDS})),
        json.dumps(WORDS, ensure_ascii=False),
        html.escape(WORDS),
        WORDS.replace(" ", "\\_"),
        f"cut: {WORDS[:60]}…",
        "seen by hildegard meier.",
        "id=trace-0001-of-ann",
    ],
)
def test_it_finds_words_in_any_dress(text: str, stones: Tombstones) -> None:
    assert stones.spans(text)


@pytest.mark.parametrize("text", ["", "in that old house", "Hildegard", "17 lamps", "a Meier, Hildegard too"])
def test_it_leaves_other_words_alone(text: str, stones: Tombstones) -> None:
    assert not stones.spans(text)
    assert blotted_text(text, stones) is text


def test_scripts_without_spaces(stones: Tombstones) -> None:
    stones.add_phrases(phrases_of("明天早上七点叫醒我的祖母凯特"))
    assert stones.spans(json.dumps("他说明天早上七点叫醒我的祖母凯特吧"))
    assert not stones.spans("明天早上")


def test_tombstones_hold_no_words(stones: Tombstones) -> None:
    stones.add_trace(good.example("trace-0002-of-ann", WORDS, good.turn_on("lamp")))
    kept = stones.model_dump_json()
    for word in ("Käthe", "attic", "trace", "Meier"):
        assert word not in kept
    again = Tombstones.model_validate_json(kept)
    assert again.holds_id("trace-0002-of-ann#3")
    assert again.spans(WORDS) == stones.spans(WORDS)
    # Another store has another key.
    other = Tombstones()
    other.add_ids(["17"])
    assert not other.ids & stones.ids


def test_rows_go_and_other_texts_are_blotted_out(stones: Tombstones) -> None:
    value = {
        "labels": {"17": True, "18": False},
        "test": [{"id": "17", "question": "lamp"}, {"id": "19", "question": WORDS}],
        "failures": [{"case_id": "17"}, {"case_id": "18", "answer": "of Hildegard Meier"}],
        "n": 17,
    }
    assert without_forgotten(value, stones) == {
        "labels": {"18": False},
        "test": [{"id": "17", "question": "lamp"}],
        "failures": [{"case_id": "18", "answer": f"of {BLOT} {BLOT}"}],
        "n": 17,
    }
    clean = {"a": [{"b": "c"}], "id": "20"}
    assert without_forgotten(clean, stones) is clean
    event = {"id": "17", "text": json.dumps([f"by {WORDS}", 17])}
    assert json.loads(blotted(event, stones)["text"])[1] == 17
    assert "attic" not in str(blotted(event, stones))


def test_what_goes_on_from_a_forgotten_trace_is_forgotten_too() -> None:
    first = good.example("a", "wake my aunt", good.turn_on("clock"))
    stones = Tombstones()
    stones.add_trace(first)
    turns = (
        *first.messages,
        Message(role="assistant", content="Done."),
        Message(role="user", content="thanks"),
    )
    later = first.model_copy(update={"id": "b", "messages": turns, "calls": ()})
    assert is_forgotten(later.row(), stones)
    # Who says the same is another person.
    assert not is_forgotten(first.model_copy(update={"id": "c"}).row(), stones)


def test_words_that_a_kept_trace_says_prove_nothing(stones: Tombstones) -> None:
    left = stones.without([f"yes, {WORDS}"])
    assert not left.spans(WORDS)
    assert left.spans("Hildegard Meier")

"""Which words are whose argument, by what the rest of a log teaches, in memory that does not run away."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest

from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.nlu.slot_tagger import FOLDS, OUTSIDE, Words, tag, tag_probabilities

CITIES = ("rome", "oslo", "bonn", "lima", "cairo", "paris")


def tagged(texts: list[str], cities: list[str]) -> tuple[list[Words], dict[str, int], list[np.ndarray]]:
    requests = [Words(text) for text in texts]
    calls = [(ToolCall(name="send", arguments={"to": city}),) for city in cities]
    folds = np.arange(len(texts)) % FOLDS
    return requests, *tag_probabilities(requests, calls, np.ones(len(texts)), folds)


def test_a_request_beyond_those_that_are_learned_from_is_read_as_well() -> None:
    rng = random.Random(0)
    cities = rng.choices(CITIES, k=21_000)
    requests, columns, tables = tagged([f"send to {city}" for city in cities], cities)
    assert [table.shape for table in tables] == [(3, len(columns))] * len(requests)
    for table in (tables[0], tables[-1]):
        assert table[2, columns["to"]] > 0.9
        assert table[0, columns[OUTSIDE]] > 0.9


def test_the_memory_of_a_long_request_grows_with_its_length() -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=4)) for _ in range(1000)]
    cities = list(CITIES)
    texts = [f"send it to {city} {' '.join(rng.choices(words, k=700))}" for city in cities]
    tracemalloc.start()
    try:
        requests, columns, tables = tagged(texts, cities)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(len(words.words) > 700 for words in requests)
    assert all(table[:, columns["to"]].argmax() == 3 for table in tables)
    assert peak < 80e6


def test_a_log_without_words_or_arguments() -> None:
    columns, tables = tag_probabilities([], [], np.ones(0), np.zeros(0, dtype=np.int64))
    assert (columns, tables) == ({OUTSIDE: 0}, [])
    _, columns, tables = tagged(["", "  "], ["rome", "oslo"])
    assert [table.shape for table in tables] == [(0, 1), (0, 1)]


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
    tags, absent = tag(words, (ToolCall(name="send", arguments={"to": value}),))
    assert [n for n, name in enumerate(tags) if name == "to"] == place
    assert absent == ([] if place else [("to", value)])

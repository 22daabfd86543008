"""Which words are whose argument, by what the rest of a log teaches, in memory that does not run away."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np

from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.nlu.cross_fitting import FOLDS, cross_fitted_intents, cross_fitted_slots
from distil_dag.stages.nlu.spans import OUTSIDE, Words

CITIES = ("rome", "oslo", "bonn", "lima", "cairo", "paris")


def tagged(texts: list[str], cities: list[str]) -> tuple[list[Words], dict[str, int], list[np.ndarray]]:
    requests = [Words(text) for text in texts]
    calls = [(ToolCall(name="send", arguments={"to": city}),) for city in cities]
    folds = np.arange(len(texts)) % FOLDS
    return requests, *cross_fitted_slots(requests, calls, np.ones(len(texts)), folds)


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
    columns, tables = cross_fitted_slots([], [], np.ones(0), np.zeros(0, dtype=np.int64))
    assert (columns, tables) == ({OUTSIDE: 0}, [])
    _, columns, tables = tagged(["", "  "], ["rome", "oslo"])
    assert [table.shape for table in tables] == [(0, 1), (0, 1)]


def test_an_intent_is_read_by_what_other_folds_teach() -> None:
    texts = [f"{verb} lamp {n}" for n in range(20) for verb in ("start", "stop")]
    intents = ["on", "off"] * 20
    intents[0] = "off"  # a mistake of the log
    folds = np.arange(len(texts)) % FOLDS
    places = np.arange(len(texts))
    columns, table = cross_fitted_intents(texts, intents, np.ones(len(texts)), folds, places)
    assert [list(columns)[column] for column in table.argmax(axis=1)] == ["on", "off"] * 20
    alone = ["on"] * 20 + ["off"] * 20
    columns, table = cross_fitted_intents(texts, alone, np.ones(len(texts)), folds, places[:20])
    assert not table.any()  # who learns from calls of one kind knows no other

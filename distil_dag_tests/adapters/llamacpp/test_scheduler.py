"""The schedule over an engine that keeps exact books instead of computing anything."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distil_dag.adapters.llamacpp.engine import ROOT, shared_length
from distil_dag.adapters.llamacpp.scheduler import run

VOCABULARY = 50


def following(past: list[int]) -> int:
    """What the imagined model says next: a function of everything before it."""
    return random.Random(str(past)).randrange(VOCABULARY)


class Books:
    """Sequences of cells (token, position); a cell may belong to several, as in llama.cpp's cache."""

    def __init__(self, parallel: int, cache_size: int, batch: int = 16, can_fork: bool = True) -> None:
        self.parallel, self.cache_size, self.can_fork = parallel, cache_size, can_fork
        self.is_open = True
        self.root = np.empty(0, np.int32)
        self.sequences: dict[int, list[object]] = {}
        self.tokens: dict[object, int] = {}
        self._batch, self._size = [], batch  # type: ignore[var-annotated]
        self._wanted: list[int] = []
        self.passes = self.computed = 0

    @property
    def room(self) -> int:
        return self._size - len(self._batch)

    def plant(self, root: Any) -> int:
        self.clear()
        if self.can_fork:
            self.root = root[: len(root) // 4 * 4]
            for token in self.root:
                self._append(ROOT, int(token))
        return len(self.root)

    def clear(self) -> None:
        self.sequences.clear()
        self.root = self.root[:0]
        self._batch.clear()

    def fork(self, source: int, sequence: int, length: int) -> None:
        assert not self.sequences.get(sequence)
        assert len(self.sequences.get(source, [])) >= length
        self.sequences[sequence] = list(self.sequences.get(source, []))[:length]

    def forget(self, sequence: int, start: int = 0) -> None:
        self.sequences[sequence] = self.sequences.get(sequence, [])[:start]

    def add(self, token: int, position: int, sequence: int, wanted: bool) -> None:
        assert 1 <= sequence <= self.parallel
        assert self.room > 0
        self._batch.append((token, position, sequence, wanted))

    def compute(self) -> bool:
        batch, self._batch = self._batch, []
        assert batch, "a pass without tokens"
        used = len({cell for cells in self.sequences.values() for cell in cells})
        if used + len(batch) > self.cache_size:
            return False
        self.passes += 1
        self.computed += len(batch)
        self._wanted = []
        for token, position, sequence, wanted in batch:
            cells = self.sequences.setdefault(sequence, [])
            assert position == len(cells), "a gap, or a token computed twice"
            self._append(sequence, token)
            if wanted:
                self._wanted.append(following([self.tokens[cell] for cell in self.sequences[sequence]]))
        return True

    def logits(self, rows: int) -> Any:
        assert rows == len(self._wanted)
        table = np.zeros((rows, VOCABULARY), np.float32)
        table[np.arange(rows), self._wanted] = 1.0
        return table

    def _append(self, sequence: int, token: int) -> None:
        cell = object()
        self.tokens[cell] = token
        self.sequences.setdefault(sequence, []).append(cell)


class Growing:
    """An answer of a given length."""

    def __init__(self, prompt: list[int], room: int) -> None:
        self.prompt, self.tokens, self.room = list(prompt), list(prompt), room
        self.said: list[int] = []

    @property
    def first(self) -> int:
        return len(self.tokens) - 1

    def take(self, logits: Any) -> int | None:
        assert len(logits) == 1
        self.said.append(int(logits[0].argmax()))
        return self.said[-1] if len(self.said) < self.room else None

    def expected(self) -> list[int]:
        past = list(self.prompt)
        for _ in range(self.room):
            past.append(following(past))
        return past[len(self.prompt) :]


class Looking:
    """A text whose predictions are looked at from a position on."""

    room = 0

    def __init__(self, tokens: list[int], start: int) -> None:
        self.tokens, self.start = list(tokens), start
        self.said: list[int] = []

    @property
    def first(self) -> int:
        return self.start + len(self.said)

    def take(self, logits: Any) -> int | None:
        self.said += [int(row.argmax()) for row in logits]
        return None

    def expected(self) -> list[int]:
        return [following(self.tokens[: at + 1]) for at in range(self.start, len(self.tokens))]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), parallel=st.integers(1, 6), can_fork=st.booleans())
def test_every_job_gets_what_it_would_get_alone(seed: int, parallel: int, can_fork: bool) -> None:
    pick = random.Random(seed)
    stems = [[pick.randrange(VOCABULARY) for _ in range(pick.choice((0, 3, 30, 60)))] for _ in range(3)]
    jobs: list[Any] = []
    for _ in range(pick.randrange(1, 15)):
        tokens = pick.choice(stems) + [pick.randrange(VOCABULARY) for _ in range(pick.randrange(1, 12))]
        if pick.random() < 0.4:
            jobs.append(Looking(tokens, pick.randrange(len(tokens))))
        else:
            jobs.append(Growing(tokens, pick.choice((1, 5, 100))))
    longest = max(len(job.tokens) + job.room for job in jobs)
    engine = Books(parallel, cache_size=longest + pick.choice((0, 10, 300)), can_fork=can_fork)
    run(engine, jobs)  # type: ignore[arg-type]
    for job in jobs:
        assert job.said == job.expected()
    assert not any(engine.sequences.get(sequence) for sequence in range(1, parallel + 1))


def test_a_common_beginning_is_computed_once() -> None:
    stem = list(range(40))
    engine = Books(parallel=8, cache_size=1000, batch=64)
    run(engine, [Growing([*stem, 41 + at], room=1) for at in range(8)])  # type: ignore[arg-type]
    assert engine.computed <= 8

    two = [[at % VOCABULARY for at in range(start, start + 40)] for start in (0, 7)]
    engine = Books(parallel=8, cache_size=1000, batch=64)
    run(engine, [Looking([*two[at % 2], at], 40) for at in range(16)])  # type: ignore[arg-type]
    assert engine.computed <= 2 * 40 + 16 + 2


def test_sequences_go_on_together() -> None:
    engine = Books(parallel=8, cache_size=1000)
    run(engine, [Growing([at, at + 1], room=20) for at in range(16)])  # type: ignore[arg-type]
    assert engine.passes <= 2 * (20 + 2)


def test_the_newest_gives_way_when_the_cache_is_full() -> None:
    jobs = [Growing([at, 1, 2], room=100) for at in range(4)]
    engine = Books(parallel=4, cache_size=220)
    run(engine, jobs)  # type: ignore[arg-type]
    assert [job.said for job in jobs] == [job.expected() for job in jobs]
    assert engine.computed > 4 * 102  # something was computed again


def test_a_failure_leaves_a_usable_engine() -> None:
    class Failing(Growing):
        def take(self, logits: Any) -> int | None:
            raise ValueError("broken")

    engine = Books(parallel=2, cache_size=100)
    with pytest.raises(ValueError, match="broken"):
        run(engine, [Failing([1, 2], 3), Growing([1, 3], 3)])  # type: ignore[arg-type]
    job = Growing([1, 2], 3)
    run(engine, [job])  # type: ignore[arg-type]
    assert job.said == job.expected()


def test_one_sequence_too_long_for_the_cache_is_an_error_not_a_loop() -> None:
    with pytest.raises(RuntimeError, match="full with one sequence"):
        run(Books(parallel=2, cache_size=10), [Growing([1], 20)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "right", "length"), [([], [], 0), ([1], [], 0), ([1, 2], [1, 2], 2), ([1, 2, 3], [1, 4], 1)]
)
def test_shared_length(left: list[int], right: list[int], length: int) -> None:
    assert shared_length(np.array(left, np.int32), np.array(right, np.int32)) == length

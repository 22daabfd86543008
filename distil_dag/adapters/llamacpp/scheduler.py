"""Decides which sequences are computed together (continuous batching, Yu et al. 2022, Orca).

A pass over the weights costs little more for 32 tokens than for one. So as many sequences as the engine holds
go on at once, each by one token a pass, and a new one begins as soon as one ends. A prefix that sequences
share is computed once and forked. Order and room depend on the jobs alone, so equal calls give equal results,
bit by bit, whatever was computed before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from distil_dag.adapters.llamacpp.engine import ROOT, LlamaCppEngine, Logits, Tokens, shared_length

# From this many shared tokens on, a job waits until its neighbour's prefix is computed.
_WORTH_WAITING = 24
# Tokens reserved for an answer when a sequence is admitted. When the cache is full, the newest sequence
# is dropped and computed again later.
_ROOM = 64


class Job(Protocol):
    """A sequence to compute, and what to do with the model's predictions.

    Attributes:
        tokens: Token ids; grows while the job runs.
        room: Most tokens that may follow.
    """

    tokens: list[int]
    room: int

    @property
    def first(self) -> int:
        """The next position whose prediction is wanted."""
        ...

    def take(self, logits: Logits) -> int | None:
        """Process the predictions of the positions from `first` on.

        Args:
            logits: Array of shape `(positions, vocabulary size)`.

        Returns:
            The next token, or None at the end.
        """
        ...


def run(engine: LlamaCppEngine, jobs: Sequence[Job]) -> None:
    """Run all jobs to their ends.

    Args:
        engine: The model; usable again after an error.
        jobs: The sequences, none longer than `engine.limit`.

    Raises:
        RuntimeError: The model is closed, llama.cpp fails, or the cache is too small for one sequence.
    """
    if not engine.is_open:
        raise RuntimeError("the model is closed")
    if not jobs:
        return
    # Neighbours in this order share the longest prefixes.
    order = sorted(jobs, key=lambda job: np.asarray(job.tokens, ">i4").tobytes())
    try:
        _Schedule(engine, order).run()
    except BaseException:
        engine.clear()
        raise


@dataclass(eq=False)
class _Resident:
    """A job in the cache.

    Attributes:
        job: The job.
        sequence: Its sequence in the engine.
        prompt: Its tokens at admission.
        forked: Tokens that it took over from another sequence.
        computed: Tokens that are computed.
        reserved: Cells of the cache that are set aside for it.
    """

    job: Job
    sequence: int
    prompt: Tokens
    forked: int
    computed: int
    reserved: int

    @property
    def cells(self) -> int:
        return max(self.reserved, len(self.job.tokens) - self.forked)


class _Schedule:
    def __init__(self, engine: LlamaCppEngine, order: Sequence[Job]) -> None:
        self._engine = engine
        self._waiting = deque(order)
        self._running: list[_Resident] = []
        self._ended: deque[_Resident] = deque()  # still there to be forked, oldest first
        self._free = deque(range(1, engine.parallel + 1))
        self._is_full = False

    def run(self) -> None:
        first, last = (np.asarray(self._waiting[end].tokens, np.int32) for end in (0, -1))
        common = min(shared_length(first, last), *(job.first for job in self._waiting))
        self._engine.plant(first[:common])
        while self._waiting or self._running:
            self._admit()
            self._step()
        for resident in self._ended:
            self._engine.forget(resident.sequence)

    def _admit(self) -> None:
        if not self._running:
            self._is_full = False
        while self._waiting and len(self._running) < self._engine.parallel and not self._is_full:
            job = self._waiting[0]
            prompt = np.asarray(job.tokens, np.int32)
            source, shared = self._closest(job, prompt)
            if self._neighbour_is_coming(prompt, shared):
                return
            need = len(prompt) - shared + min(job.room, _ROOM)
            while self._ended and not (self._free and self._has_room(need)):
                if self._ended[0].sequence == source:
                    if len(self._ended) == 1:
                        break
                    self._ended.rotate(-1)
                self._drop(self._ended.popleft())
            if self._running and not self._has_room(need):
                return
            self._waiting.popleft()
            if self._free:
                sequence = self._free.popleft()
                self._engine.fork(source, sequence, shared)
            else:
                # Only the neighbour itself is left: go on in its place.
                sequence = self._ended.popleft().sequence
                self._engine.forget(sequence, shared)
            self._running.append(_Resident(job, sequence, prompt, shared, shared, need))

    def _closest(self, job: Job, prompt: Tokens) -> tuple[int, int]:
        """The cached sequence that shares the longest prefix, and that prefix's length."""
        best = (ROOT, len(self._engine.root))
        for other in (*self._running, *self._ended) if self._engine.can_fork else ():
            # The prediction after the last token is wanted, so the last token is always computed.
            shared = min(shared_length(prompt, other.prompt[: other.computed]), job.first)
            if shared > best[1]:
                best = (other.sequence, shared)
        return best

    def _neighbour_is_coming(self, prompt: Tokens, shared: int) -> bool:
        return self._engine.can_fork and any(
            shared_length(prompt, other.prompt) >= shared + _WORTH_WAITING
            for other in self._running
            if other.computed < len(other.prompt)
        )

    def _has_room(self, need: int) -> bool:
        held = sum(resident.cells for resident in (*self._running, *self._ended))
        return len(self._engine.root) + held + need <= self._engine.cache_size

    def _drop(self, resident: _Resident) -> None:
        self._engine.forget(resident.sequence)
        self._free.append(resident.sequence)

    def _step(self) -> None:
        """One pass: a token of each answer, and as much of the new prompts as fits."""
        counts: list[tuple[_Resident, int, int]] = []
        row = 0
        for resident in sorted(self._running, key=lambda one: len(one.job.tokens) - one.computed > 1):
            job, start = resident.job, resident.computed
            end = min(len(job.tokens), start + self._engine.room)
            for position in range(start, end):
                self._engine.add(job.tokens[position], position, resident.sequence, position >= job.first)
            counts.append((resident, end, max(0, end - max(start, job.first))))
        if not self._engine.compute():
            self._make_room()
            return
        logits = self._engine.logits(sum(count for _, _, count in counts))
        for resident, end, count in counts:
            resident.computed = end
            if count == 0:
                continue
            token = resident.job.take(logits[row : row + count])
            row += count
            if token is not None:
                resident.job.tokens.append(token)
            elif end == len(resident.job.tokens):
                self._running.remove(resident)
                self._ended.append(resident)
                self._is_full = False
        self._let_go()

    def _let_go(self) -> None:
        """Drop ended sequences that no waiting job will fork, since attention reads every cell in use.

        The jobs wait in order, so the sequence closest to the next job is closest to all later ones too.
        """
        upcoming = np.asarray(self._waiting[0].tokens if self._waiting else (), np.int32)
        shared = [shared_length(upcoming, resident.prompt) for resident in self._ended]
        kept = max(shared, default=0)
        for resident, length in zip(list(self._ended), shared, strict=True):
            if length == kept > len(self._engine.root):
                kept = upcoming.size + 1  # one is enough
                continue
            self._ended.remove(resident)
            self._drop(resident)

    def _make_room(self) -> None:
        """The cache is full: drop what has ended, or send the newest sequence back to wait."""
        if self._ended:
            while self._ended:
                self._drop(self._ended.popleft())
        elif len(self._running) > 1:
            self._is_full = True  # until another ends
            newest = self._running.pop()
            self._waiting.appendleft(newest.job)
            self._drop(newest)
        else:
            raise RuntimeError(f"the cache of {self._engine.cache_size} tokens is full with one sequence")

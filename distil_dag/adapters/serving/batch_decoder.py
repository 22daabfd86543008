"""Greedy decoding of many answers at once, each under its own grammar, in shared passes.

An answer joins the next pass and leaves when it is whole (continuous batching, Yu et al. 2022, Orca). What
all prompts begin with is computed once and forked. Sums depend on what else a pass holds, so the margin rule
of :mod:`distil_dag.adapters.serving.decoder` holds here too, with a margin measured on shared passes. A
choice that is too close is computed as in plain decoding, in a context of its own, where nothing else lies in
the cache.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from distil_dag.adapters.llamacpp.engine import ROOT, LlamaCppEngine
from distil_dag.adapters.serving.decoder import CallDecoder, head_of, margin_of, shifts
from distil_dag.adapters.serving.decoding import Decoded, Decoding
from distil_dag.adapters.serving.lane import Lane, run_pass
from distil_dag.stages.decoding.token_masks import TokenGrammar

# Cells of the cache that are set aside for an answer. When the cache is full, the newest answer waits.
_ROOM = 64


class BatchDecoder:
    """Decodes as many answers at once as the engine has sequences, for one thread at a time.

    Args:
        engine: The model, with a cache at least as large as that of `alone`.
        alone: Decodes one answer in another context of the same weights; says what plain decoding would.
        head: Token ids that the prompts begin with; they stay in the cache.

    Attributes:
        parallel: How many answers go on at once; further ones wait.
        margin: Smallest lead, in logits, that is trusted in a shared pass. Infinite until
            :meth:`measure_margin` has measured it, so that every choice is verified.
    """

    def __init__(self, engine: LlamaCppEngine, alone: CallDecoder, head: Sequence[int]) -> None:
        self._engine, self._alone, self.margin = engine, alone, np.inf
        self.parallel = engine.parallel
        self._head = list(head) if engine.can_fork else []
        self._root = Lane(engine, ROOT)
        self._free = [Lane(engine, sequence) for sequence in range(engine.parallel, 0, -1)]
        self._waiting: deque[Decoding] = deque()
        self._running: dict[Decoding, Lane] = {}  # oldest first
        self._is_full = False

    def add(self, answer: Decoding) -> None:
        """Let an answer that goes on join the next pass that has room for it."""
        self._waiting.append(answer)

    def drop(self, answer: Decoding) -> None:
        """Forget an answer."""
        if answer in self._running:
            self._leave(answer)
        else:
            self._waiting.remove(answer)

    def clear(self) -> None:
        """Forget all answers and all that was computed, as after a failure of llama.cpp."""
        self._waiting.clear()
        for answer in list(self._running):
            self._leave(answer)
        self._root.clear()
        self._engine.clear()

    def step(self) -> list[tuple[Decoding, Decoded | ValueError]]:
        """One pass, and what follows from it.

        Returns:
            The answers that are whole now, and those that the vocabulary can't spell with the reason.

        Raises:
            RuntimeError: llama.cpp fails; `clear` makes the decoder usable again.
        """
        self._admit()
        # Long prompts come last, so that they keep no other answer waiting.
        if not run_pass(self._engine, sorted(self._running.values(), key=lambda lane: lane.lacks)):
            self._make_room()
            return []
        ended: list[tuple[Decoding, Decoded | ValueError]] = []
        for answer, lane in [(one, lane) for one, lane in self._running.items() if not lane.lacks]:
            try:
                if not answer.take(lane.rows, self.margin):
                    answer.settle(self._alone.plain_prediction(answer))
                if answer.goes_on():
                    lane.ask(answer.tokens, answer.wanted)
                    continue
                ended.append((answer, answer.decoded))
            except ValueError as error:
                ended.append((answer, error))
            self._leave(answer)
        return ended

    def measure_margin(self, grammar: TokenGrammar, prompts: Sequence[list[int]], room: int) -> float:
        """Set `margin` to what shared passes may move leads by on this machine.

        As :meth:`CallDecoder.measure_margin`, with all answers in the same passes.

        Args:
            grammar: The valid answers.
            prompts: Token ids of some prompts.
            room: Most tokens of an answer.

        Returns:
            The margin, in logits.
        """
        courses = [self._alone.plain_course(grammar, prompt, room) for prompt in prompts]
        lanes = self._free[: len(courses)]
        moved: list[float] = []
        for prompt, (tokens, _), lane in zip(prompts, courses, lanes, strict=False):
            self._ask(lane, prompt, tokens, list(range(len(prompt) - 1, len(tokens))))
        self._compute(lanes)
        for (_, alone), lane in zip(courses, lanes, strict=False):
            moved += shifts(alone, lane.rows)
            lane.clear()
        self.margin = margin_of(moved)
        return self.margin

    def _admit(self) -> None:
        """Give sequences to answers that wait, as long as the cache has room."""
        if not self._running:
            self._is_full = False
        while self._waiting and self._free and not self._is_full:
            answer = self._waiting[0]
            head = head_of(answer.prompt, self._head)
            held = len(self._head) + sum(lane.cells + _ROOM for lane in self._running.values())
            need = len(answer.tokens) - len(head) + _ROOM
            if self._running and held + need > self._engine.cache_size:
                return
            lane = self._free.pop()
            self._running[self._waiting.popleft()] = lane
            self._ask(lane, answer.prompt, answer.tokens, answer.wanted)

    def _ask(self, lane: Lane, prompt: list[int], tokens: list[int], wanted: list[int]) -> None:
        """Have an empty lane compute tokens behind the head, which is computed once."""
        if self._root.cached != self._head:
            self._root.ask(self._head, [])
            self._compute([self._root])
        lane.fork(ROOT, head_of(prompt, self._head))
        lane.ask(tokens, wanted)

    def _compute(self, lanes: Sequence[Lane]) -> None:
        while lacking := [lane for lane in lanes if lane.lacks]:
            if not run_pass(self._engine, lacking):
                raise RuntimeError(f"the cache of {self._engine.cache_size} tokens is too small")

    def _leave(self, answer: Decoding) -> None:
        lane = self._running.pop(answer)
        answer.decoded.passes += lane.passes
        answer.decoded.computed += lane.computed
        lane.clear()
        lane.passes = lane.computed = 0
        self._free.append(lane)
        self._is_full = False

    def _make_room(self) -> None:
        """The cache is full: the newest answer waits until another one ends."""
        if len(self._running) < 2:
            raise RuntimeError(f"the cache of {self._engine.cache_size} tokens is full with one answer")
        newest = next(reversed(self._running))
        self._leave(newest)
        self._waiting.appendleft(newest)
        self._is_full = True

"""Which tokens of a vocabulary may follow, under an automaton over bytes.

All tokens of a vocabulary are walked through the automaton at once, one byte of each at a time,
and the result is kept for each state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from distil_dag.stages.decoding.automaton import DEAD, AnswerAutomaton
from distil_dag.stages.decoding.byte_languages import Language

Tokens = NDArray[np.int32]

# Behind a free text the tokens of what was forced are checked with one character of each kind.
_SAMPLES = (b"a", b"0")
_MANY = 64


class Spelling:
    """How texts are spelt: `pieces` are the bytes of the tokens, `end` is the one that ends an answer."""

    def __init__(self, pieces: Sequence[bytes], tokenise: Callable[[str], list[int]], end: int) -> None:
        self.pieces, self.tokenise, self.end = pieces, tokenise, end
        # Longest first, so that the tokens that have a byte at some place are the first ones.
        self.order = np.array(
            sorted((n for n, piece in enumerate(pieces) if piece), key=lambda n: -len(pieces[n])), np.int32
        )

    @cached_property
    def columns(self) -> list[NDArray[np.uint8]]:
        """At each place its byte of all tokens, in this order, that are long enough."""
        longest = [self.pieces[token] for token in self.order.tolist()]
        lengths = np.array([len(piece) for piece in longest])
        data = np.frombuffer(b"".join(longest), np.uint8)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return [
            data[starts[: int((lengths > place).sum())] + place]
            for place in range(int(lengths.max(initial=0)))
        ]


class TokenGrammar:
    """Answers as sequences of tokens.

    Where a text is forced and every way on gives it the same first token, only that token is
    allowed: the one that the model has learned, of the many that spell the same text.
    """

    def __init__(self, language: Language, spelling: Spelling) -> None:
        self._automaton = AnswerAutomaton(language)
        self._spelling, self.end = spelling, spelling.end
        self._allowed: dict[int, Tokens] = {}

    def allowed(self, state: int) -> Tokens:
        """The tokens that may come next, in ascending order; none only if the vocabulary can't spell it."""
        if state not in self._allowed:
            token = self._canonical(state)
            found = self._reachable(state) if token is None else np.array([token], np.int32)
            if self._automaton.ends(state):
                found = np.sort(np.append(found, np.int32(self.end)))
            self._allowed[state] = found
        return self._allowed[state]

    def forced(self, state: int) -> int | None:
        """The only token that may come next, if there is but one."""
        allowed = self.allowed(state)
        return int(allowed[0]) if len(allowed) == 1 else None

    def allows(self, state: int, token: int) -> bool:
        """True if the token may come next."""
        allowed = self.allowed(state)
        place = int(np.searchsorted(allowed, token))
        return place < len(allowed) and int(allowed[place]) == token

    def after(self, state: int, token: int) -> int:
        """The state behind an allowed token that is not the end."""
        return self._automaton.step(state, self._spelling.pieces[token])

    def piece(self, token: int) -> bytes:
        """The bytes of a token."""
        return self._spelling.pieces[token]

    def tokenise(self, text: bytes) -> list[int]:
        """A text as the model has learned to spell it."""
        return self._spelling.tokenise(text.decode("utf-8", "ignore"))

    def _canonical(self, state: int) -> int | None:
        """The first token of a forced text, if it is the same whatever comes behind that text."""
        text, behind = self._automaton.forced(state)
        if not text:
            return None
        ways = [b""] if self._automaton.ends(behind) else []
        firsts = self._automaton.firsts(behind)
        free = len(firsts) > _MANY
        for byte in [sample[0] for sample in _SAMPLES if sample[0] in firsts] if free else firsts:
            on = bytes([byte])
            ways.append(on + self._automaton.forced(self._automaton.step(behind, on))[0])
        try:
            found = {self._spelling.tokenise((text + way).decode())[0] for way in ways}
        except UnicodeDecodeError:
            return None
        token = found.pop()
        piece = self._spelling.pieces[token]
        return token if not found and piece and text.startswith(piece) else None

    def _reachable(self, state: int) -> Tokens:
        automaton = self._automaton
        places = np.arange(len(self._spelling.order))
        states = np.full(len(places), state, np.int32)
        whole: list[NDArray[np.int64]] = []
        for column in self._spelling.columns:
            longer = int(np.searchsorted(places, len(column)))
            whole.append(places[longer:])
            places, states = places[:longer], states[:longer]
            automaton.expand(states)
            states = automaton.table[states, column[places]]
            alive = states != DEAD
            places, states = places[alive], states[alive]
        return np.sort(self._spelling.order[np.concatenate([*whole, places])])

"""A language as a deterministic automaton whose states are numbered when they are first reached."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distil_dag.stages.decoding.byte_languages import Language

DEAD, START = 0, 1


class AnswerAutomaton:
    """State 0 is dead, state 1 the beginning; each row of `table` leads from a state by a byte."""

    def __init__(self, language: Language) -> None:
        self._languages: list[Language | None] = [None, language]
        self._states: dict[Language, int] = {language: START}
        self._expanded = np.zeros(64, bool)
        self._expanded[DEAD] = True
        self._forced: dict[int, tuple[bytes, int]] = {}
        self.table: NDArray[np.int32] = np.zeros((64, 256), np.int32)

    def expand(self, states: NDArray[np.int32]) -> None:
        """Fill the rows of these states."""
        unknown = states[~self._expanded[states]]
        for state in np.unique(unknown).tolist() if unknown.size else ():
            self._expand(state)

    def step(self, state: int, text: bytes) -> int:
        """The state behind `text`; 0 if it is not allowed here."""
        for byte in text:
            if not self._expanded[state]:
                self._expand(state)
            state = int(self.table[state, byte])
        return state

    def ends(self, state: int) -> bool:
        """True if an answer may end here."""
        return self._language(state).complete

    def firsts(self, state: int) -> list[int]:
        """The bytes that may come next."""
        return sorted(self._language(state).firsts)

    def forced(self, state: int) -> tuple[bytes, int]:
        """The text that any answer goes on with, up to the first choice, and the state behind it."""
        if state not in self._forced:
            text, at = bytearray(), state
            while not self.ends(at) and len(choices := self._language(at).firsts) == 1:
                text += bytes(choices)
                at = self.step(at, bytes(choices))
            self._forced[state] = bytes(text), at
        return self._forced[state]

    def _expand(self, state: int) -> None:
        language = self._language(state)
        for byte in language.firsts:
            target = self._state(language.after(byte))  # may grow the table
            self.table[state, byte] = target
        self._expanded[state] = True

    def _language(self, state: int) -> Language:
        language = self._languages[state]
        if language is None:
            raise ValueError("nothing follows a text that is not allowed")
        return language

    def _state(self, language: Language) -> int:
        known = self._states.get(language)
        if known is not None:
            return known
        state = self._states[language] = len(self._languages)
        self._languages.append(language)
        if state == len(self.table):
            self.table = np.vstack([self.table, np.zeros_like(self.table)])
            self._expanded = np.concatenate([self._expanded, np.zeros_like(self._expanded)])
        return state

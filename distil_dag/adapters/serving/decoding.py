"""One answer on its way: what is to be computed next, and what follows from the predictions.

It knows no model. Whoever drives it computes its tokens and hands it the predictions that it wants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from distil_dag.adapters.llamacpp.engine import Logits
from distil_dag.stages.decoding.automaton import START
from distil_dag.stages.decoding.token_masks import TokenGrammar

Draft = Callable[[bytes], bytes]
"""The answer so far -> what may come next; it need be neither right nor valid."""

# Tokens of a draft that are tried in one pass at most.
_LONGEST_DRAFT = 64


def no_draft(said: bytes) -> bytes:
    """A Draft that predicts nothing."""
    return b""


@dataclass
class Decoded:
    """An answer, its probability, and what it took to compute.

    Attributes:
        tokens: Token ids of the answer.
        text: The answer as text.
        finish: Whether the answer ended or was cut off.
        logprob: Natural log of the answer's probability, summed over its decisions. Each decision is among
            the tokens that the grammar allows there, so forced tokens are certain.
        closest: Smallest lead, in logits, of a chosen token over the second best.
        decisions: Number of tokens that the grammar did not force.
        passes: Passes over the weights.
        computed: Tokens computed in them.
        needed: Tokens, without the head, that a decision depends on; the least that any decoder must compute.
        recomputed: How often a choice was too close and was computed again.
        asked: Tokens of the prompt.
    """

    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish: Literal["stop", "length"] = "length"
    logprob: float = 0.0
    closest: float = np.inf
    decisions: int = 0
    passes: int = 0
    computed: int = 0
    needed: int = 0
    recomputed: int = 0
    asked: int = 0


class Choice(NamedTuple):
    """The likeliest of the allowed tokens, its lead in logits over the second, and its log probability."""

    token: int
    lead: float
    logprob: float


class Decoding:
    """The greedy answer to one prompt under a grammar, as a machine that is driven from outside.

    Args:
        grammar: The valid answers.
        prompt: Token ids of the prompt.
        room: Most tokens of the answer.
        head: Number of tokens of the prompt that are always in the cache.
        draft: Predicts the answer's continuation.

    Attributes:
        prompt: Token ids of the prompt.
        decoded: The answer so far.
        tokens: What the cache must hold for the next step: prompt, answer, and what probably follows.
        wanted: Ascending places in `tokens` whose predictions the next step needs.
    """

    def __init__(
        self, grammar: TokenGrammar, prompt: list[int], room: int, head: int = 0, draft: Draft = no_draft
    ) -> None:
        self.prompt, self.decoded = prompt, Decoded(asked=len(prompt))
        self.tokens: list[int] = []
        self.wanted: list[int] = []
        self._grammar, self._room, self._head, self._draft = grammar, room, head, draft
        self._state, self._ended = START, False
        self._states: list[int] = []
        self._doubted = 0

    def goes_on(self) -> bool:
        """Prepare the next step: say what is forced, and foresee; False when the answer is whole.

        Raises:
            ValueError: The vocabulary can't spell a valid answer.
        """
        if self._ended:
            return False
        said = self.decoded.tokens
        while len(said) < self._room and (token := self._grammar.forced(self._state)) is not None:
            if token == self._grammar.end:
                break
            said.append(token)
            self._state = self._grammar.after(self._state, token)
        if len(said) == self._room or self._grammar.forced(self._state) is not None:
            self.end(stopped=len(said) < self._room)
            return False
        guess, self._states = self._foresee()
        self.tokens = [*self.prompt, *said, *guess]
        # A prediction is wanted where the grammar leaves a choice.
        last = len(self.prompt) + len(said) - 1
        self.wanted = [
            last + place for place, state in enumerate(self._states) if self._grammar.forced(state) is None
        ]
        return True

    def take(self, rows: Sequence[Logits], margin: float) -> bool:
        """Go on by the predictions that were wanted, as far as they lead.

        Args:
            rows: Predictions behind the wanted places.
            margin: Smallest lead, in logits, that is trusted.

        Returns:
            False if a choice is too close: `settle` must follow, with the prediction behind `doubted`.
        """
        for row, at in zip(rows, self.wanted, strict=True):
            place = at + 1 - len(self.prompt) - len(self.decoded.tokens)
            choice = choose(self._grammar, row, self._states[place])
            if choice.lead < margin:
                self._doubted = place
                return False
            guess = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
            if choice.token != guess:
                self._say(choice, place)
                break
            self._record(choice, at + 1)
        return True

    @property
    def doubted(self) -> list[int]:
        """The tokens behind which a choice was too close."""
        return self.tokens[: len(self.prompt) + len(self.decoded.tokens) + self._doubted]

    def settle(self, row: Logits) -> None:
        """Make the choice that was too close, by the prediction of plain decoding."""
        self.decoded.recomputed += 1
        self._say(choose(self._grammar, row, self._states[self._doubted]), self._doubted)

    def say(self, row: Logits) -> None:
        """Say the next token by its prediction, as plain decoding does; at the end, the answer is whole."""
        choice = choose(self._grammar, row, self._state)
        if self._grammar.forced(self._state) is None:
            self._record(choice, len(self.prompt) + len(self.decoded.tokens))
        self._append(choice.token, self._state)

    def end(self, stopped: bool) -> None:
        """The answer is whole, or cut off."""
        self._ended = True
        self.decoded.finish = "stop" if stopped else "length"
        # An incomplete UTF-8 character at the end is dropped.
        self.decoded.text = self._text().decode("utf-8", "ignore")

    @property
    def ended(self) -> bool:
        """Whether the answer is whole or cut off."""
        return self._ended

    def _foresee(self) -> tuple[list[int], list[int]]:
        """Tokens to try, up to the last decision that they lead to, and the states around each of them."""
        text = self._draft(self._text())
        drafted = self._grammar.tokenise(text)[:_LONGEST_DRAFT] if text else []
        guess: list[int] = []
        states = [self._state]
        decisions = 0
        for token in drafted:
            full = len(self.decoded.tokens) + len(guess) + 1 >= self._room
            if full or not self._grammar.allows(states[-1], token):
                break
            guess.append(token)
            states.append(self._grammar.after(states[-1], token))
            if self._grammar.forced(states[-1]) is None:
                decisions = len(guess)
        return guess[:decisions], states[: decisions + 1]

    def _say(self, choice: Choice, place: int) -> None:
        """Keep `place` guessed tokens, and say the choice behind them."""
        start = len(self.prompt) + len(self.decoded.tokens)
        self._record(choice, start + place)
        self.decoded.tokens += self.tokens[start : start + place]
        self._append(choice.token, self._states[place])

    def _append(self, token: int, state: int) -> None:
        if token == self._grammar.end:
            self.end(stopped=True)
            return
        self.decoded.tokens.append(token)
        self._state = self._grammar.after(state, token)

    def _record(self, choice: Choice, length: int) -> None:
        """Record a decision before which the sequence has `length` tokens."""
        decoded = self.decoded
        decoded.needed = length - self._head
        decoded.decisions += 1
        decoded.logprob += choice.logprob
        decoded.closest = min(decoded.closest, choice.lead)

    def _text(self) -> bytes:
        return b"".join(map(self._grammar.piece, self.decoded.tokens))


def choose(grammar: TokenGrammar, row: Logits, state: int) -> Choice:
    """The greedy choice among the tokens that the grammar allows in a state.

    Args:
        grammar: The valid answers.
        row: Logits of the whole vocabulary.
        state: The grammar's state.

    Raises:
        ValueError: The vocabulary can't spell a valid answer.
    """
    allowed = grammar.allowed(state)
    if not len(allowed):
        raise ValueError("the model's vocabulary cannot spell what the grammar wants here")
    values = row[allowed].astype(np.float32)
    best = int(values.argmax())
    top = float(values[best])
    logprob = -float(np.log(np.exp(values - top).sum(dtype=np.float64)))
    values[best] = -np.inf
    lead = top - float(values.max()) if len(values) > 1 else np.inf
    return Choice(int(allowed[best]), lead, logprob)

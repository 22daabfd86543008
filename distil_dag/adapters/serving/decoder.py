"""Greedy decoding under a grammar in few passes: forced and drafted tokens are only verified.

A pass over the weights costs little more for some tokens than for one. So tokens that the grammar forces wait
for the next decision and go into its pass. A draft of what may come is appended to them. As much of the draft
is kept as greedy decoding would have produced (speculative decoding, Leviathan et al. 2023, with drafts that
cost no model).

Every answer is that of plain greedy decoding, one token a pass. Sums are computed in another order in a pass
of several tokens. So a choice with a lead below `margin` is not trusted there. The answer up to it is
computed again as in plain decoding, and the choice is made on that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from distil_dag.adapters.llamacpp.engine import LlamaCppEngine, Logits
from distil_dag.stages.decoding.automaton import START
from distil_dag.stages.decoding.token_masks import TokenGrammar

Draft = Callable[[bytes], bytes]
"""The answer so far -> what may come next; it need be neither right nor valid."""

_SEQUENCE = 1
# Tokens of a draft that are tried in one pass at most.
_LONGEST_DRAFT = 64
# For the margin: number of tokens of each prediction that are compared, and the safety factor.
_LIKELIEST, _SAFE = 4, 6.0
# Some models' logits move seldom but then far, which a few answers may not show.
_LEAST_MARGIN = 0.1


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


class _Choice(NamedTuple):
    token: int
    lead: float
    logprob: float


class CallDecoder:
    """Answers under a grammar with one llama.cpp context, for one thread at a time.

    Args:
        engine: The model.
        head: Token ids that its prompts begin with; they stay in the cache.

    Attributes:
        margin: Smallest lead, in logits, that is trusted in a pass of several tokens. Infinite until
            :meth:`measure_margin` has measured it, so that every choice is verified.

    Raises:
        ValueError: From the methods, for a prompt that the context has no room for.
    """

    def __init__(self, engine: LlamaCppEngine, head: Sequence[int]) -> None:
        self._engine, self._head, self.margin = engine, list(head), np.inf
        self._cached: list[int] = []
        self._report = Decoded()

    def answer(self, grammar: TokenGrammar, prompt: list[int], room: int, draft: Draft = no_draft) -> Decoded:
        """The greedy answer, in as few passes as the draft allows.

        Args:
            grammar: The valid answers.
            prompt: Token ids of the prompt.
            room: Most tokens of the answer.
            draft: Predicts the answer's continuation.

        Raises:
            ValueError: The context has no room for the prompt, or the vocabulary can't spell a valid answer.
        """
        self._grammar = grammar
        room = self._begin(prompt, room)
        said = self._report.tokens
        state, exact = START, 0
        while True:
            state = self._say_forced(said, state, room)
            if len(said) == room or self._grammar.forced(state) is not None:
                return self._end(len(said) < room)
            guess, states = self._foresee(said, state, room, draft)
            # A prediction is wanted where the grammar leaves a choice.
            open_places = [place for place, at in enumerate(states) if self._grammar.forced(at) is None]
            length = len(prompt) + len(said)
            rows = self._compute([*prompt, *said, *guess], [length + place - 1 for place in open_places])
            for row, place in zip(rows, open_places, strict=True):
                choice = self._choose(row, states[place])
                trusted = choice.lead >= self.margin
                if not trusted:
                    choice = self._choose(
                        self._recompute(prompt, [*said, *guess[:place]], exact), states[place]
                    )
                    exact = length + place
                self._take(choice, length + place)
                if choice.token == self._grammar.end:
                    said += guess[:place]
                    return self._end(True)
                if not trusted or place == len(guess) or guess[place] != choice.token:
                    said += [*guess[:place], choice.token]
                    state = self._grammar.after(states[place], choice.token)
                    self._keep(length + place)
                    break

    def plain(self, grammar: TokenGrammar, prompt: list[int], room: int) -> Decoded:
        """The same answer by plain greedy decoding, one token a pass, forced or not.

        Args:
            grammar: The valid answers.
            prompt: Token ids of the prompt.
            room: Most tokens of the answer.
        """
        self._grammar = grammar
        for _ in self._plain_predictions(prompt, room):
            pass
        return self._report

    def measure_margin(self, grammar: TokenGrammar, prompts: Sequence[list[int]], room: int) -> float:
        """Set `margin` to what passes of several tokens may move leads by on this machine.

        Decodes the prompts plainly, then computes each answer again in one pass, and compares the leads among
        the likeliest tokens. The margin is six times the root of their mean squared difference, 0.1 at least.
        Of 1,760 decisions in each format, those closer than 3 moved by 0.02 (f16), 0.6 (Q8_0) and 0.7
        (Q4_K_M) at most.

        Args:
            grammar: The valid answers.
            prompts: Token ids of some prompts.
            room: Most tokens of an answer.

        Returns:
            The margin, in logits.
        """
        self._grammar = grammar
        moved: list[float] = []
        for prompt in prompts:
            single = [row.copy() for row in self._plain_predictions(prompt, room)]
            tokens = [*prompt, *self._report.tokens]
            self._rewind(prompt)
            first = len(prompt) - 1
            together = self._compute(tokens[: first + len(single)], list(range(first, first + len(single))))
            for alone, among in zip(single, together, strict=True):
                likeliest = np.argpartition(alone, -_LIKELIEST)[-_LIKELIEST:]
                shifts = (among - alone)[likeliest]
                moved += (shifts[:, None] - shifts)[np.triu_indices(_LIKELIEST, 1)].tolist()
        usual = float(np.sqrt(np.mean(np.square(moved)))) if moved else np.inf
        self.margin = max(_SAFE * usual, _LEAST_MARGIN)
        return self.margin

    def _plain_predictions(self, prompt: list[int], room: int) -> Iterator[Logits]:
        """Decode plainly; yields each prediction, valid until the next one is asked for."""
        room = self._begin(prompt, room)
        said, state = self._report.tokens, START
        while len(said) < room:
            row = self._compute([*prompt, *said], [len(prompt) + len(said) - 1])[0]
            choice = self._choose(row, state)
            yield row
            if self._grammar.forced(state) is None:
                self._take(choice, len(self._cached))
            if choice.token == self._grammar.end:
                self._end(True)
                return
            said.append(choice.token)
            state = self._grammar.after(state, choice.token)
        self._end(False)

    def _begin(self, prompt: list[int], room: int) -> int:
        """Forget the last answer; return how many tokens this one may have."""
        if len(prompt) + 1 > self._engine.limit:
            raise ValueError(f"the prompt has {len(prompt)} tokens, the context holds {self._engine.limit}")
        self._report = Decoded(asked=len(prompt))
        self._rewind(prompt)
        return min(room, self._engine.limit - len(prompt))

    def _rewind(self, prompt: list[int]) -> None:
        """Leave only the head in the cache, if the prompt begins with it."""
        head = self._head if len(prompt) > len(self._head) and prompt[: len(self._head)] == self._head else []
        if self._cached[: len(head)] != head:
            self._keep(0)
            self._compute(head, [])
        self._keep(len(head))

    def _say_forced(self, said: list[int], state: int, room: int) -> int:
        while len(said) < room and (token := self._grammar.forced(state)) not in (None, self._grammar.end):
            assert token is not None
            said.append(token)
            state = self._grammar.after(state, token)
        return state

    def _foresee(self, said: list[int], state: int, room: int, draft: Draft) -> tuple[list[int], list[int]]:
        """Tokens to try, up to the last decision that they lead to, and the states around each of them."""
        text = draft(self._text(said))
        drafted = self._grammar.tokenise(text)[:_LONGEST_DRAFT] if text else []
        guess: list[int] = []
        states = [state]
        decisions = 0
        for token in drafted:
            if len(said) + len(guess) + 1 >= room or not self._grammar.allows(states[-1], token):
                break
            guess.append(token)
            states.append(self._grammar.after(states[-1], token))
            if self._grammar.forced(states[-1]) is None:
                decisions = len(guess)
        return guess[:decisions], states[: decisions + 1]

    def _compute(self, tokens: list[int], wanted: list[int]) -> list[Logits]:
        """The predictions after the wanted places; what the cache holds already is not computed again."""
        rows: list[Logits] = []
        start = len(self._cached)
        while start < len(tokens):
            end = min(len(tokens), start + self._engine.room)
            asked = [place for place in wanted if start <= place < end]
            for place in range(start, end):
                self._engine.add(tokens[place], place, _SEQUENCE, place in asked)
            if not self._engine.compute():
                raise RuntimeError(f"the cache of {self._engine.cache_size} tokens has no room for an answer")
            found = self._engine.logits(len(asked))
            rows += list(found if end == len(tokens) else found.copy())
            self._report.passes += 1
            self._report.computed += end - start
            start = end
        self._cached = list(tokens)
        return rows

    def _recompute(self, prompt: list[int], said: list[int], exact: int) -> Logits:
        """The prediction after `said` as plain decoding computes it.

        The first `exact` tokens in the cache were computed that way already.
        """
        self._report.recomputed += 1
        if exact:
            self._keep(exact)
        else:
            self._rewind(prompt)
        tokens = [*prompt, *said]
        for end in range(max(len(prompt), exact + 1), len(tokens) + 1):
            rows = self._compute(tokens[:end], [end - 1] if end == len(tokens) else [])
        return rows[0]

    def _keep(self, length: int) -> None:
        if len(self._cached) > length:
            self._engine.forget(_SEQUENCE, length)
            del self._cached[length:]

    def _choose(self, row: Logits, state: int) -> _Choice:
        allowed = self._grammar.allowed(state)
        if not len(allowed):
            raise ValueError("the model's vocabulary cannot spell what the grammar wants here")
        values = row[allowed].astype(np.float32)
        best = int(values.argmax())
        top = float(values[best])
        logprob = -float(np.log(np.exp(values - top).sum(dtype=np.float64)))
        values[best] = -np.inf
        lead = top - float(values.max()) if len(values) > 1 else np.inf
        return _Choice(int(allowed[best]), lead, logprob)

    def _take(self, choice: _Choice, length: int) -> None:
        """Record a decision before which the sequence has `length` tokens."""
        report = self._report
        report.needed = length - len(self._head)
        report.decisions += 1
        report.logprob += choice.logprob
        report.closest = min(report.closest, choice.lead)

    def _text(self, said: list[int]) -> bytes:
        return b"".join(map(self._grammar.piece, said))

    def _end(self, stopped: bool) -> Decoded:
        report = self._report
        report.finish = "stop" if stopped else "length"
        # An incomplete UTF-8 character at the end is dropped.
        report.text = self._text(report.tokens).decode("utf-8", "ignore")
        return report

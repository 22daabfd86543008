"""Greedy decoding under a grammar, in few passes: what is forced or foreseen is only checked.

A pass over the weights costs little more for some tokens than for one. So tokens that the grammar
forces wait for the next decision and go into its pass, a draft of what may come is put behind
them, and as much of the draft is kept as greedy decoding would have said (speculative decoding,
Leviathan et al. 2023, with drafts that cost no model).

Every answer is that of plain greedy decoding, one token a pass. Sums come out in another order in
a pass of several tokens, so a choice that is closer than `margin` is not trusted there: the answer
up to it is computed again as plain decoding computes it, and the choice is made on that.
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
"""What was said so far -> what may come next; it need be neither right nor valid."""

_SEQUENCE = 1
# Tokens of a draft that are tried in one pass at most.
_LONGEST_DRAFT = 64
# For the margin: tokens of each prediction that are looked at, and how far beyond the usual it goes.
_LIKELIEST, _SAFE = 4, 6.0
# Some models move seldom, and then at once: a few answers may show nothing of that.
_LEAST_MARGIN = 0.1


def no_draft(said: bytes) -> bytes:
    """A Draft that foresees nothing."""
    return b""


@dataclass
class Decoded:
    """An answer, how probable it is, and what it took.

    `logprob` is the natural log of its probability: the sum over its decisions, each among the tokens
    that the grammar allows there, so what is forced is certain. `closest` is the smallest lead, in
    logits, of a token that was chosen. `needed` counts the tokens that a decision
    depends on, without the head: nothing can answer with fewer computed.
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


class _Choice(NamedTuple):
    token: int
    lead: float
    logprob: float


class CallDecoder:
    """Answers under a grammar by one llama.cpp context; `head` is what its prompts begin with.

    The head stays in the cache. A lead below `margin` logits is made sure of by plain passes: always,
    until `measure_margin` has found what is enough. For one thread at a time. The methods raise
    ValueError for a prompt that the context has no room for.
    """

    def __init__(self, engine: LlamaCppEngine, head: Sequence[int]) -> None:
        self._engine, self._head, self.margin = engine, list(head), np.inf
        self._cached: list[int] = []
        self._report = Decoded()

    def answer(self, grammar: TokenGrammar, prompt: list[int], room: int, draft: Draft = no_draft) -> Decoded:
        """The greedy answer, of `room` tokens at most, in as few passes as the draft is good for."""
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
        """The same by plain greedy decoding: one token a pass, forced or not."""
        self._grammar = grammar
        for _ in self._plain_predictions(prompt, room):
            pass
        return self._report

    def measure_margin(self, grammar: TokenGrammar, prompts: Sequence[list[int]], room: int) -> float:
        """Trust no lead below what passes of several tokens may move leads by here; returns that.

        Answers the prompts plainly, passes over each answer again at once, and compares the leads
        among the likeliest tokens: six times the root of their mean squared difference, 0.1 at least.
        Of 1,760 decisions in each format those closer than 3 moved by 0.02 (f16), 0.6 (Q8_0) and 0.7
        (Q4_K_M) at most.
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
        """Forget the last answer; returns how many tokens this one may have."""
        if len(prompt) + 1 > self._engine.limit:
            raise ValueError(f"the prompt has {len(prompt)} tokens, the context holds {self._engine.limit}")
        self._report = Decoded()
        self._rewind(prompt)
        return min(room, self._engine.limit - len(prompt))

    def _rewind(self, prompt: list[int]) -> None:
        """Leave the head in the cache, if the prompt begins with it, and nothing else."""
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
        """The predictions behind the wanted places; what the cache holds already is not computed again."""
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
        """The prediction behind `said` as plain decoding finds it; so are `exact` tokens in the cache."""
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
        """Account for a decision that `length` tokens came before."""
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
        # A character cut in half at the end of the room is dropped.
        report.text = self._text(report.tokens).decode("utf-8", "ignore")
        return report

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

from collections.abc import Iterator, Sequence

import numpy as np

from distil_dag.adapters.llamacpp.engine import LlamaCppEngine, Logits
from distil_dag.adapters.serving.decoding import Decoded, Decoding, Draft, no_draft
from distil_dag.adapters.serving.lane import Lane, run_pass
from distil_dag.stages.decoding.token_masks import TokenGrammar

_SEQUENCE = 1
# For the margin: number of tokens of each prediction that are compared, and the safety factor.
_LIKELIEST, _SAFE = 4, 6.0
# Some models' logits move seldom but then far, which a few answers may not show.
_LEAST_MARGIN = 0.1


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
        self._lane = Lane(engine, _SEQUENCE)

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
        answer = self._begin(grammar, prompt, room, draft)
        exact = 0
        while answer.goes_on():
            if not answer.take(self._compute(answer.tokens, answer.wanted), self.margin):
                answer.settle(self.plain_prediction(answer, exact))
                exact = len(self._lane.cached)
        return self._counted(answer)

    def plain(self, grammar: TokenGrammar, prompt: list[int], room: int) -> Decoded:
        """The same answer by plain greedy decoding, one token a pass, forced or not.

        Args:
            grammar: The valid answers.
            prompt: Token ids of the prompt.
            room: Most tokens of the answer.
        """
        answer = self._begin(grammar, prompt, room, no_draft)
        for _ in self._plain_predictions(answer, room):
            pass
        return self._counted(answer)

    def plain_prediction(self, answer: Decoding, exact: int = 0) -> Logits:
        """The prediction behind what an answer doubts, as plain decoding computes it.

        Args:
            answer: An answer with a choice that was too close.
            exact: Number of its tokens in the cache that were computed as in plain decoding.
        """
        tokens, first = answer.doubted, len(answer.prompt)
        if exact:
            self._lane.keep(exact)
        else:
            self._rewind(answer.prompt)
        for end in range(max(first, exact + 1), len(tokens) + 1):
            rows = self._compute(tokens[:end], [end - 1] if end == len(tokens) else [])
        return rows[0]

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
        moved: list[float] = []
        for prompt in prompts:
            tokens, single = self.plain_course(grammar, prompt, room)
            self._rewind(prompt)
            first = len(prompt) - 1
            moved += shifts(single, self._compute(tokens, list(range(first, len(tokens)))))
        self.margin = margin_of(moved)
        return self.margin

    def plain_course(
        self, grammar: TokenGrammar, prompt: list[int], room: int
    ) -> tuple[list[int], list[Logits]]:
        """Prompt and plain answer as token ids, and the predictions behind them from the prompt's last on."""
        answer = self._begin(grammar, prompt, room, no_draft)
        rows = list(self._plain_predictions(answer, room))
        return [*prompt, *answer.decoded.tokens][: len(prompt) - 1 + len(rows)], rows

    def room_behind(self, prompt: list[int], room: int) -> int:
        """How many tokens an answer to a prompt may have, of so many that are wanted.

        Raises:
            ValueError: The context has no room for the prompt.
        """
        if len(prompt) + 1 > self._engine.limit:
            raise ValueError(f"the prompt has {len(prompt)} tokens, the context holds {self._engine.limit}")
        return min(room, self._engine.limit - len(prompt))

    def _plain_predictions(self, answer: Decoding, room: int) -> Iterator[Logits]:
        """Decode plainly; yields each prediction."""
        prompt, said = answer.prompt, answer.decoded.tokens
        room = self.room_behind(prompt, room)
        while not answer.ended and len(said) < room:
            row = self._compute([*prompt, *said], [len(prompt) + len(said) - 1])[0]
            answer.say(row)
            yield row
        if not answer.ended:
            answer.end(stopped=False)

    def _begin(self, grammar: TokenGrammar, prompt: list[int], room: int, draft: Draft) -> Decoding:
        room = self.room_behind(prompt, room)
        self._lane.passes = self._lane.computed = 0
        return Decoding(grammar, prompt, room, self._rewind(prompt), draft)

    def _rewind(self, prompt: list[int]) -> int:
        """Leave only the head in the cache, if the prompt begins with it; its number of tokens."""
        head = head_of(prompt, self._head)
        if self._lane.cached[: len(head)] != head:
            self._lane.keep(0)
            self._compute(head, [])
        self._lane.keep(len(head))
        return len(head)

    def _compute(self, tokens: list[int], wanted: list[int]) -> list[Logits]:
        """The predictions behind the wanted places; what the cache holds already is not computed again."""
        self._lane.ask(tokens, wanted)
        while self._lane.lacks:
            if not run_pass(self._engine, [self._lane]):
                raise RuntimeError(f"the cache of {self._engine.cache_size} tokens has no room for an answer")
        return self._lane.rows

    def _counted(self, answer: Decoding) -> Decoded:
        answer.decoded.passes, answer.decoded.computed = self._lane.passes, self._lane.computed
        return answer.decoded


def head_of(prompt: list[int], head: list[int]) -> list[int]:
    """The head, if the prompt begins with it and goes on; otherwise nothing."""
    return head if len(prompt) > len(head) and prompt[: len(head)] == head else []


def shifts(alone: Sequence[Logits], together: Sequence[Logits]) -> list[float]:
    """How far the leads among the likeliest tokens of each prediction moved, in logits."""
    moved: list[float] = []
    for one, other in zip(alone, together, strict=True):
        likeliest = np.argpartition(one, -_LIKELIEST)[-_LIKELIEST:]
        differences = (other - one)[likeliest]
        moved += (differences[:, None] - differences)[np.triu_indices(_LIKELIEST, 1)].tolist()
    return moved


def margin_of(moved: Sequence[float]) -> float:
    """The margin for leads that moved so far: six times the usual movement; infinite where none was seen."""
    usual = float(np.sqrt(np.mean(np.square(moved)))) if moved else np.inf
    return max(_SAFE * usual, _LEAST_MARGIN)

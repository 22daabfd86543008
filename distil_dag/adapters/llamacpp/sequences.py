"""Jobs of the scheduler: an answer that is generated, or a text that is scored."""

from __future__ import annotations

from typing import Literal

import numpy as np

from distil_dag.adapters.llamacpp.engine import Logits
from distil_dag.adapters.llamacpp.schema_grammar import Grammar
from distil_dag.adapters.llamacpp.vocabulary import Vocabulary
from distil_dag.stages.ports import Prompt, Reply, Score

# Tokens less likely than e^-20 times the likeliest one are not sampled. All of them together
# hold less than 0.01 % of the probability. So most of the vocabulary need not be sorted.
_NEGLIGIBLE = 20.0


class Completion:
    """A sequence that grows until the model, a stop string or the length ends it.

    Sampling uses the prompt's temperature, nucleus share `top_p` (Holtzman et al. 2020) and seed.

    Args:
        tokens: Token ids of the prompt.
        room: Most tokens of the answer.
        prompt: The sampling options and stop strings; its messages are not used.
        vocabulary: The model's vocabulary.
        grammar: Restricts the answer; None for free text.
    """

    def __init__(
        self, tokens: list[int], room: int, prompt: Prompt, vocabulary: Vocabulary, grammar: Grammar | None
    ) -> None:
        self.tokens, self.room = tokens, room
        self._prompt_length = len(tokens)
        self._options = prompt
        self._vocabulary = vocabulary
        self._grammar = grammar
        self._random = np.random.default_rng(prompt.seed & (2**63 - 1))
        self._said = bytearray()
        self._finish: Literal["stop", "length"] = "length"
        self._count = 0

    @property
    def first(self) -> int:
        """The next position whose prediction is wanted."""
        return len(self.tokens) - 1

    def take(self, logits: Logits) -> int | None:
        """Choose the next token from the last row of `(rows, vocabulary size)` logits; None at the end."""
        row = logits[-1]
        token = self._choose(row)
        if self._grammar and not self._grammar.allows(token):
            # A new draw among the allowed tokens has exactly their distribution. So the whole vocabulary
            # is checked against the grammar only when the first draw fails.
            row = self._grammar.mask(row)
            token = self._choose(row)
            if not np.isfinite(row[token]):  # the vocabulary can't spell what the grammar wants
                return None
        self._count += 1
        if self._vocabulary.ends(token):
            self._finish = "stop"
            return None
        if self._grammar:
            self._grammar.accept(token)
        self._said += self._vocabulary.piece(token)
        if self._stop_position() >= 0:
            self._finish = "stop"
            return None
        return token if self._count < self.room else None

    def reply(self) -> Reply:
        """The answer so far, cut at the first stop string."""
        cut = self._stop_position()
        # An incomplete UTF-8 character at the end is dropped.
        text = bytes(self._said if cut < 0 else self._said[:cut]).decode("utf-8", "ignore")
        return Reply(text, self._finish, self._prompt_length, self._count)

    def _stop_position(self) -> int:
        found = [
            self._said.find(stop.encode("utf-8", "surrogatepass")) for stop in self._options.stop if stop
        ]
        return min((at for at in found if at >= 0), default=-1)

    def _choose(self, row: Logits) -> int:
        best = int(row.argmax())
        temperature = self._options.temperature
        if temperature <= 0:
            return best
        likely = np.flatnonzero(row > row[best] - _NEGLIGIBLE * temperature)
        order = likely[np.argsort(-row[likely], kind="stable")]
        weights = np.exp((row[order].astype(np.float64) - row[best]) / temperature)
        total = np.cumsum(weights)
        if self._options.top_p < 1:
            kept = int(np.searchsorted(total, self._options.top_p * total[-1])) + 1
            order, total = order[:kept], total[:kept]
        drawn = int(np.searchsorted(total, self._random.random() * total[-1], side="right"))
        return int(order[min(drawn, len(order) - 1)])


class Scoring:
    """A sequence whose tokens from `start` on are looked up in the model's predictions.

    Args:
        tokens: Token ids of the prompt and the text.
        start: Index of the first token to score, at least 1.
    """

    room = 0

    def __init__(self, tokens: list[int], start: int) -> None:
        self.tokens = tokens[:-1]  # nothing is predicted behind the last one
        self._targets = tokens[start:]
        self._start = start
        self._seen = 0
        self._logprob = 0.0

    @property
    def first(self) -> int:
        """The next position whose prediction is wanted."""
        return self._start - 1 + self._seen

    def take(self, logits: Logits) -> int | None:
        """Add the natural-log probabilities of the targets, one for each row of logits; always None."""
        for row in logits:
            top = row.max()
            norm = float(np.log(np.exp(row - top).sum(dtype=np.float64)) + top)
            self._logprob += float(row[self._targets[self._seen]]) - norm
            self._seen += 1
        return None

    def score(self) -> Score:
        """The sum of natural-log probabilities over all tokens from `start` on."""
        return Score(self._logprob, len(self._targets), self._start)

"""Sequences of one llama.cpp context, computed together: what each holds, and what it lacks."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.adapters.llamacpp.engine import LlamaCppEngine, Logits


class Lane:
    """One sequence of an engine.

    Args:
        engine: The model.
        sequence: Number of the sequence in it.

    Attributes:
        cached: Token ids that the cache holds.
        rows: The wanted predictions that are computed so far.
        passes: Number of passes that it had a share in.
        computed: Number of its tokens that were computed in them.
    """

    def __init__(self, engine: LlamaCppEngine, sequence: int) -> None:
        self._engine, self._sequence = engine, sequence
        self.cached: list[int] = []
        self.rows: list[Logits] = []
        self.passes = self.computed = 0
        self._tokens: list[int] = []
        self._wanted: list[int] = []
        self._forked = 0

    def ask(self, tokens: list[int], wanted: list[int]) -> None:
        """Have these tokens in the cache after the next passes, and predictions in `rows`.

        What the cache holds already is not computed again.

        Args:
            tokens: Token ids from the beginning of the sequence.
            wanted: Ascending places in them whose predictions are wanted.
        """
        self.keep(min(_shared(self.cached, tokens), *wanted[:1], len(tokens)))
        self._tokens, self._wanted, self.rows = tokens, wanted, []

    def keep(self, length: int) -> None:
        """Forget all but the first tokens."""
        if len(self.cached) > length:
            self._engine.forget(self._sequence, length)
            del self.cached[length:]

    def clear(self) -> None:
        """Forget all tokens, whatever the cache holds."""
        self._engine.forget(self._sequence)
        self.cached, self._tokens, self._forked = [], [], 0

    def fork(self, source: int, tokens: list[int]) -> None:
        """Begin with tokens that another sequence holds, which costs no memory."""
        self.clear()
        self._engine.fork(source, self._sequence, len(tokens))
        self.cached, self._forked = list(tokens), len(tokens)

    @property
    def lacks(self) -> int:
        """Number of tokens still to be computed."""
        return len(self._tokens) - len(self.cached)

    @property
    def cells(self) -> int:
        """Number of tokens that it needs room for in the cache, besides those that it shares."""
        return len(self._tokens) - self._forked

    def fill(self) -> tuple[int, int]:
        """Put into the next pass what fits; its number of tokens, and how many predictions are wanted."""
        start = len(self.cached)
        end = min(len(self._tokens), start + self._engine.room)
        asked = {place for place in self._wanted if start <= place < end}
        for place in range(start, end):
            self._engine.add(self._tokens[place], place, self._sequence, place in asked)
        return end - start, len(asked)

    def take(self, count: int, rows: Sequence[Logits]) -> None:
        """Note what a pass has computed; the rows are copied, as the next pass overwrites them."""
        self.cached += self._tokens[len(self.cached) : len(self.cached) + count]
        self.rows += [row.copy() for row in rows]
        self.passes += 1
        self.computed += count


def run_pass(engine: LlamaCppEngine, lanes: Sequence[Lane]) -> bool:
    """Compute what the lanes lack, as far as one pass has room, in their order.

    Args:
        engine: The model whose sequences they are.
        lanes: At least one that lacks something.

    Returns:
        False, with nothing changed, when the cache has no room for the pass.

    Raises:
        RuntimeError: llama.cpp fails.
    """
    shares = [(lane, *lane.fill()) for lane in lanes if engine.room]
    try:
        if not engine.compute():
            return False
    except RuntimeError:
        for lane, _, _ in shares:
            lane.clear()
        raise
    rows = engine.logits(sum(asked for _, _, asked in shares))
    start = 0
    for lane, count, asked in shares:
        lane.take(count, list(rows[start : start + asked]))
        start += asked
    return True


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(left), len(right)))

"""A chat model with a meter: behind the cache it counts paid calls, in front of it cached ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from distil_dag.adapters.chat.meter import Line, Meter
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import ChatModel, OnReply, OnScore, Prompt, Reply, Score, unheeded

Request = TypeVar("Request")
Result = TypeVar("Result", Reply, Score)

# Modes of models whose replies do not depend on the other prompts of a batch.
SERVED = ("attached", "managed")


@contextmanager
def metered_model(model: ChatModel, spec: ModelSpec, meter: Meter) -> Iterator[ChatModel]:
    """The model that a cache should call: each call counts, and none is sent beyond the budget.

    A managed server costs from the first call, which starts it, to the end of the block. Any other model
    costs while it answers.

    Args:
        model: The model to ask.
        spec: Its mode and price.
        meter: The meter of the asset.

    Yields:
        The metered model.

    Raises:
        BudgetReachedError: From the model's methods, instead of sending a call beyond the budget.
    """
    line = meter.line(model.identity, spec.price)
    with ExitStack() as held:
        held.callback(meter.keep)
        yield _Metered(model, spec, line, meter, held)


def counting_cached(model: ChatModel, spec: ModelSpec, meter: Meter) -> ChatModel:
    """The cached model that a stage should call: calls that the cache answers are counted as cached.

    Args:
        model: The model with its cache in front.
        spec: The model's price.
        meter: The meter of the asset.
    """
    return _Asked(model, meter.line(model.identity, spec.price))


class _Metered:
    """The side behind the cache. Batches for a server are split where the budget nears its end.

    A model in this process gets whole batches, since a reply depends on the other prompts of its batch.
    """

    def __init__(self, model: ChatModel, spec: ModelSpec, line: Line, meter: Meter, held: ExitStack) -> None:
        self._model, self._line, self._meter, self._held = model, line, meter, held
        self._splits = spec.mode in SERVED
        self._holds = spec.mode == "managed"

    @property
    def identity(self) -> str:
        return self._model.identity

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        replies: list[Reply] = []
        while left := prompts[len(replies) :]:
            self._meter.check()
            start, size = len(replies), self._meter.room() if self._splits else len(left)

            def on_result(place: int, reply: Reply, start: int = start) -> None:
                arrived(start + place, reply)

            replies += self._send(left[:size], self._model.generate, self._count, on_result)
        return replies

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        if not items:
            return []
        self._meter.check()
        return self._send(items, self._model.score, self._count_score, arrived)

    def _send(
        self,
        requests: Sequence[Request],
        ask: Callable[[Sequence[Request], Callable[[int, Result], None]], list[Result]],
        count: Callable[[Result], None],
        arrived: Callable[[int, Result], None],
    ) -> list[Result]:
        """Count each result once, when it is announced or at the end.

        A part of a split batch is announced before the next part is sent.
        """
        counted: set[int] = set()

        def on_result(place: int, result: Result) -> None:
            counted.add(place)
            count(result)
            arrived(place, result)

        with self._using():
            results = ask(requests, on_result)
        for place, result in enumerate(results):
            if place not in counted:
                count(result)
                if self._splits:
                    arrived(place, result)
        return results

    @contextmanager
    def _using(self) -> Iterator[None]:
        if self._holds:
            self._held.enter_context(self._line.in_use())
            self._holds = False
        try:
            with self._line.in_use():
                yield
        finally:
            self._meter.keep()

    def _count_score(self, score: Score) -> None:
        # A server reads the text as part of a prompt.
        self._line.count(calls=1, prompt_tokens=score.prompt_tokens + score.tokens)
        self._meter.keep(at_once=False)

    def _count(self, reply: Reply) -> None:
        self._line.count(
            calls=1,
            failed=int(reply.finish == "error"),
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
        )
        self._meter.keep(at_once=False)


class _Asked:
    """The side in front of the cache."""

    def __init__(self, model: ChatModel, line: Line) -> None:
        self._model, self._line = model, line

    @property
    def identity(self) -> str:
        return self._model.identity

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        made = self._line.usage().calls
        replies = self._model.generate(prompts, arrived)
        self._line.count(cached=len(prompts) - (self._line.usage().calls - made))
        return replies

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        made = self._line.usage().calls
        scores = self._model.score(items, arrived)
        self._line.count(cached=len(items) - (self._line.usage().calls - made))
        return scores

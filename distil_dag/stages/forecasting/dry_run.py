"""A dry run of a stage: its own code makes the prompts, and a model answers only the first of them.

So the number and the length of all calls are those of the real run. A probe of the first batches measures
what such calls take.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import TypeVar

from distil_dag.stages.ports import ChatModel, OnReply, OnScore, Prompt, Reply, Score, unheeded

Result = TypeVar("Result", Reply, Score)

# Calls of each kind that are really made, at least; a batch is never split, so that it takes as
# long as the run's own and its replies are the run's own.
PROBE = 20
# As many go out at once where a stage hands over all that it has.
_BATCH = 64


@dataclass(frozen=True)
class Call:
    """The size of one call.

    Attributes:
        size: characters of its prompt and scored text.
        fresh: how many of them it shares with no call before it.
    """

    size: int
    fresh: int


@dataclass
class PromptKind:
    """Calls of one kind: those that were made, with what they took, and those that would follow.

    Attributes:
        made: calls that were made.
        prompt_tokens: tokens of the prompt (and scored text) of each of them.
        completion_tokens: tokens of the answer to each of them.
        ahead: calls that were not made.
        timed: those of the made calls that no cache answered.
        seconds: how long these took.
    """

    made: list[Call] = field(default_factory=list)
    prompt_tokens: list[int] = field(default_factory=list)
    completion_tokens: list[int] = field(default_factory=list)
    ahead: list[Call] = field(default_factory=list)
    timed: list[Call] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def answered(self) -> bool:
        """Whether enough calls were made to know what the others take."""
        return len(self.made) >= PROBE


class DryRun:
    """A ChatModel that passes on the first batches of each kind of call, and makes up the other replies.

    A judge's later prompts get one of the marks, or of the scores, that the probe brought; any other prompt
    gets an empty answer.

    Args:
        model: the model that answers the probe.
        sent: counts the calls that no cache answered: only they tell the model's pace.
        splits: whether only the beginning of a large batch is asked. It is not for a model whose replies
            depend on the other prompts of their batch.

    Attributes:
        kinds: the calls by name of their kind.
        seconds: time in which the model answered.
    """

    def __init__(self, model: ChatModel, sent: Callable[[], int], splits: bool = False) -> None:
        self._model, self._sent, self._splits = model, sent, splits
        self._random = random.Random(0)
        self._marks: list[Reply] = []
        self._scores: list[Score] = []
        self._seen: set[Hashable] = set()
        self.kinds: dict[str, PromptKind] = {}
        self.seconds = 0.0

    @property
    def identity(self) -> str:
        """Identity of the model that answers the probe."""
        return self._model.identity

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        """See :meth:`ChatModel.generate`."""
        replies: list[Reply] = []
        while left := prompts[len(replies) :]:
            replies += self._generate(left[:_BATCH] if self._splits else left)
        return _announced(replies, arrived)

    def _generate(self, prompts: Sequence[Prompt]) -> list[Reply]:
        first = prompts[0]
        name = "marks" if first.schema else "lists" if first.prefill else f"answers to {first.max_tokens}"
        kind = self.kinds.setdefault(name, PromptKind())
        texts = self._new(prompts, [_text(prompt) for prompt in prompts])
        if kind.answered:
            kind.ahead += _calls(list(texts.values()))
            return [self._remembered(prompt) for prompt in prompts]
        with self._timed(kind, texts):
            replies = self._model.generate(prompts)
        kind.prompt_tokens += [replies[place].prompt_tokens for place in texts]
        kind.completion_tokens += [replies[place].completion_tokens for place in texts]
        if first.schema:
            self._marks += replies
        return replies

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        """See :meth:`ChatModel.score`."""
        scores: list[Score] = []
        while left := items[len(scores) :]:
            scores += self._score(left[:_BATCH] if self._splits else left)
        return _announced(scores, arrived)

    def _score(self, items: Sequence[tuple[Prompt, str]]) -> list[Score]:
        kind = self.kinds.setdefault("scores", PromptKind())
        texts = self._new(items, [f"{_text(prompt)}\n{text}" for prompt, text in items])
        if kind.answered:
            kind.ahead += _calls(list(texts.values()))
            return [self._random.choice(self._scores) for _ in items]
        with self._timed(kind, texts):
            scores = self._model.score(items)
        kind.prompt_tokens += [scores[place].prompt_tokens + scores[place].tokens for place in texts]
        kind.completion_tokens += [0] * len(texts)
        self._scores += scores
        return scores

    def _new(self, requests: Sequence[Hashable], texts: Sequence[str]) -> dict[int, str]:
        """Place -> text of the requests that came for the first time: a cache answers the others."""
        found = {}
        for place, request in enumerate(requests):
            if request not in self._seen:
                self._seen.add(request)
                found[place] = texts[place]
        return found

    @contextmanager
    def _timed(self, kind: PromptKind, texts: dict[int, str]) -> Iterator[None]:
        calls = _calls(list(texts.values()))
        before, began = self._sent(), time.monotonic()
        yield
        spent = time.monotonic() - began
        self.seconds += spent
        # A batch that the cache has answered says nothing; one that it has in part would mislead.
        if calls and self._sent() - before == len(calls):
            kind.timed += calls
            kind.seconds += spent
        kind.made += calls

    def _remembered(self, prompt: Prompt) -> Reply:
        return self._random.choice(self._marks) if prompt.schema and self._marks else Reply("", "stop")


def _announced(results: list[Result], arrived: Callable[[int, Result], None]) -> list[Result]:
    for place, result in enumerate(results):
        arrived(place, result)
    return results


def _text(prompt: Prompt) -> str:
    turns = [f"{message.role}\n{message.content}" for message in prompt.messages]
    return "\n".join([*(str(tool) for tool in prompt.tools), *turns, prompt.prefill])


def _calls(texts: Sequence[str]) -> list[Call]:
    """Sizes of the texts of one batch; what a text shares with another's beginning is computed once."""
    order = sorted(range(len(texts)), key=lambda n: texts[n])
    fresh = [0] * len(texts)
    before = ""
    for n in order:
        fresh[n] = len(texts[n]) - len(commonprefix([before, texts[n]]))  # noqa: RUF071  these are no paths
        before = texts[n]
    return [Call(len(text), new) for text, new in zip(texts, fresh, strict=True)]

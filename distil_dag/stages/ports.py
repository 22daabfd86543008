"""What the stages need from outside, as protocols; adapters implement them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from distil_dag.core.case import Message

# Called with (done, total, note) whenever a stage has moved on.
Progress = Callable[[int, int, str], None]


def quiet(done: int, total: int, note: str = "") -> None:
    """A Progress that does nothing."""


# Called with a prompt's place and its reply as soon as that reply is in, in no particular order.
OnReply = Callable[[int, "Reply"], None]
# The same for scores.
OnScore = Callable[[int, "Score"], None]


def unheeded(place: int, reply: object) -> None:
    """An OnReply or OnScore that does nothing."""


class ModelUnreachableError(RuntimeError):
    """No server of a model answers any more.

    The message says which servers, what they said last, and what to do.
    """


class ModelRefusedError(ModelUnreachableError):
    """Every server of a model refuses the key or the name of the model, so no later call fares better."""


@dataclass(frozen=True)
class Prompt:
    """One request to a chat model.

    Attributes:
        messages: the conversation, oldest turn first.
        prefill: the beginning of the assistant's turn, which the model continues.
        max_tokens: the longest answer, in tokens.
        temperature: of sampling; 0 is greedy.
        top_p: share of the probability that sampling draws from.
        seed: of sampling.
        stop: texts that end the answer.
        schema: asks for JSON that satisfies it. The caller validates the reply all the same.
        tools: function definitions as OpenAI's chat API takes them.
    """

    messages: tuple[Message, ...]
    prefill: str = ""
    max_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    schema: dict[str, Any] | None = field(default=None, hash=False)
    tools: tuple[dict[str, Any], ...] = field(default=(), hash=False)


@dataclass(frozen=True)
class Reply:
    """The answer to a prompt.

    Attributes:
        text: the text after `prefill`.
        finish: why the answer ended.
        prompt_tokens: tokens of the prompt.
        completion_tokens: tokens of the answer.
        error: what went wrong, where `finish` is `error`.
    """

    text: str
    finish: Literal["stop", "length", "error"]
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str = ""


@dataclass(frozen=True)
class Score:
    """How likely a continuation is.

    Attributes:
        logprob: natural log of the probability of the whole continuation.
        tokens: length of the continuation in tokens.
        prompt_tokens: length of its prompt in tokens.
    """

    logprob: float
    tokens: int
    prompt_tokens: int = 0


class ChatModel(Protocol):
    """A model that answers many prompts at once, and can say how likely a given answer is.

    Prompts that share a beginning are cheap when they are sent together.
    """

    @property
    def identity(self) -> str:
        """Model and revision, e.g. `smollm2-135m-instruct@sha256:…`: what the lineage records."""
        ...

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        """Answer prompts.

        Args:
            prompts: the prompts.
            arrived: called for each reply as soon as it is in. A model whose replies depend on the other
                prompts of their batch never calls it: part of such a batch must not be kept.

        Returns:
            The replies in the order of the prompts; a prompt that failed has one with `finish="error"`.

        Raises:
            ModelUnreachableError: when a server that is gone stays away. Replies that arrived before it
                count.
        """
        ...

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        """Tell how likely texts are as the assistant's whole turn, at temperature 1.

        Args:
            items: (prompt, text) pairs.
            arrived: called for each score as soon as it is in, as for :meth:`generate`.

        Returns:
            The scores in the order of the items.

        Raises:
            ModelUnreachableError: when a server that is gone stays away. Scores that arrived before it count.
        """
        ...

"""What the stages need from outside, as protocols; adapters implement them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from distil_dag.core.case import Message

# Called with (done, total, note) whenever a stage has moved on.
Progress = Callable[[int, int, str], None]


def quiet(done: int, total: int, note: str = "") -> None:
    """A Progress that says nothing."""


# Called with a prompt's place and its reply as soon as that reply is in, in no particular order.
OnReply = Callable[[int, "Reply"], None]
# The same for scores.
OnScore = Callable[[int, "Score"], None]


def unheeded(place: int, reply: object) -> None:
    """An OnReply, or a OnScore, that does nothing."""


class ModelUnreachableError(RuntimeError):
    """No server of a model answers any more; says which, what they said last, and what to do."""


@dataclass(frozen=True)
class Prompt:
    """One request to a chat model.

    `prefill` is the beginning of the assistant's turn, which the model continues. `schema` asks
    for JSON that satisfies it; a reply is validated by whoever asked, all the same.
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
    """What came back: the text after `prefill`, and what it took."""

    text: str
    finish: Literal["stop", "length", "error"]
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str = ""


@dataclass(frozen=True)
class Score:
    """Natural-log probability of a whole continuation, and its length and its prompt's in tokens."""

    logprob: float
    tokens: int
    prompt_tokens: int = 0


class ChatModel(Protocol):
    """A model that answers many prompts at once, and can say how likely a given answer is.

    Replies come in the order of the prompts; a prompt that failed yields a Reply with
    `finish="error"`, never an exception for the whole batch. Prompts that share a beginning
    are cheap when they are sent together. A model whose replies depend on their company calls
    `arrived` for none of them: part of such a batch must not be kept. Raises
    ModelUnreachableError when a server that is gone stays away; what arrived before counts.
    """

    @property
    def identity(self) -> str:
        """Model and revision, e.g. `smollm2-135m-instruct@sha256:…`: what the lineage records."""
        ...

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]: ...

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        """How likely the assistant's whole text is behind each prompt (temperature 1)."""
        ...

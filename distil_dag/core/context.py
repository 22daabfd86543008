"""What of production's system turns a student reads: the part that changes from request to request.

The constant part is baked into the weights. What is constant is found over a log and frozen with the run, so
training, measuring and serving keep the same part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from functools import cached_property, lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict

from distil_dag.core.case import Message

_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])\s*(?=\S)")
_JSON = ("{", "[", '"', "]", "}")
_OPENS = (":", "\uff1a", "{", "[", "(")


class ContextRule(BaseModel):
    """What is kept of production's system turns.

    Attributes:
        keeps: nothing, what varies, or all as it was logged.
        constant: the segments that are left out where only what varies is kept.
    """

    model_config = ConfigDict(frozen=True)

    keeps: Literal["nothing", "varying", "all"] = "nothing"
    constant: tuple[str, ...] = ()

    def of(self, messages: Iterable[Message]) -> str:
        """The context of a conversation as one text; empty where there is none."""
        if self.keeps == "nothing":
            return ""
        text = system_text(messages)
        return text.strip("\n") if self.keeps == "all" else _varying(text, self._left_out)

    @cached_property
    def _left_out(self) -> frozenset[str]:
        return frozenset(self.constant)


NOTHING = ContextRule()
"""Every system turn of production is dropped."""


def system_text(messages: Iterable[Message]) -> str:
    """The words of all system turns, joined by newlines."""
    return "\n".join(message.content for message in messages if message.role == "system")


def segments(line: str) -> list[str]:
    """The sentences of a line without the spaces around them; a line of JSON stays whole."""
    whole = line.strip()
    if whole.startswith(_JSON):
        return [whole]
    return [part for part in _BETWEEN_SENTENCES.split(whole) if part]


def opens(segment: str) -> bool:
    """Whether a segment is a heading, which says something of what stands below it."""
    return segment.startswith("#") or segment.endswith(_OPENS)


def blocks(text: str) -> list[list[str]]:
    """The segments of a text by blocks. A heading or an empty line begins a block."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        parts = segments(line)
        if not parts or opens(parts[-1]):
            found.append([])
        found[-1] += parts
    return [block for block in found if block]


@lru_cache(maxsize=4096)
def _varying(text: str, constant: Set[str]) -> str:
    """The text without constant segments. A heading stays where something under it does."""
    kept: list[str] = []
    # From the end, since a heading depends on what stands below it.
    below, heading_below, gap = False, False, False
    for line in reversed(text.splitlines()):
        parts = segments(line)
        if not parts:
            gap = True
            continue
        said = [part for part in parts if part not in constant]
        heading = opens(parts[-1])
        if heading and below and parts[-1] in constant:
            said.append(parts[-1])
        if said:
            indent = line[: len(line) - len(line.lstrip())]
            kept.append(indent + " ".join(said))
        goes_on = not heading and not heading_below and not gap
        below, heading_below, gap = bool(said) or (goes_on and below), heading, False
    return "\n".join(reversed(kept))


def joined(parts: Sequence[str]) -> str:
    """The parts that are not empty, a line each."""
    return "\n".join(part for part in parts if part)

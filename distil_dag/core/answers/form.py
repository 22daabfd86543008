"""What the reader of a form returns, and how it says that it can't read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset


class Found(NamedTuple):
    """The calls of a text in one form, and the words around them."""

    calls: tuple[ToolCall, ...]
    words: str


class NotReadable(ValueError):
    """A call in a form that was recognised and can't be read.

    Attributes:
        form: name of the form.
        why: what is wrong with it.
    """

    def __init__(self, form: str, why: str) -> None:
        super().__init__(f"{form}: {why}")
        self.form = form
        self.why = why


Reader = Callable[[str, Toolset | None], Found | None]
"""Reads a text under the known tools; None where the text is not in the reader's form."""


def outside(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text without some spans of it, which are in order; stripped."""
    kept, at = [], 0
    for start, end in spans:
        kept.append(text[at:start])
        at = end
    return "".join([*kept, text[at:]]).strip()

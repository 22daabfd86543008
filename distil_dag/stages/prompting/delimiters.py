"""Text of a log inside a prompt, kept apart as data, whatever it says.

Spotlighting by delimiters (Hines et al. 2024, arXiv:2403.14720), in two forms. For models that follow
instructions, JSON stands between two lines of delimiters that nobody who wrote the text could know. For
few-shot layouts, the text is a single line without control tokens, and the turn or the line delimits it:
small models imitate the layout and would lose it in JSON.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from distil_dag.core.control_tokens import escape_in_json, neutralise

LONGEST = 20_000
"""Characters of JSON between two delimiters; longer strings are cut, and say so."""

_MARK = "data-"
_MARK_DIGITS = 24
_SHORTEST_CUT = 32


@dataclass(frozen=True)
class Delimited:
    """Data between two delimiters.

    Attributes:
        mark: the line that stands before and behind the data.
        data: one line of JSON.
    """

    mark: str
    data: str

    def __str__(self) -> str:
        return f"{self.mark}\n{self.data}\n{self.mark}"


def delimited(value: Any) -> Delimited:
    """The value as one line of ASCII JSON that spells no control token, between delimiters.

    The delimiter is a hash of the data. Whoever writes a text can't know the hash of the whole, the text
    itself included, so no text can close its own delimiters. Equal data have equal delimiters.

    Args:
        value: JSON values; longer ones than :data:`LONGEST` are cut.
    """
    data = _json(value)
    return Delimited(f"{_MARK}{hashlib.sha256(data.encode()).hexdigest()[:_MARK_DIGITS]}", data)


def one_line(text: str) -> str:
    """The text on a single line, with nothing that a tokenizer would read as a control token."""
    return neutralise(" ".join(text.split()))


def _json(value: Any) -> str:
    data = _dump(value)
    limit = LONGEST
    while len(data) > LONGEST and limit > _SHORTEST_CUT:
        limit //= 2
        data = _dump(_cut(value, limit))
    # Thousands of short values: their text as one string is JSON still.
    return data if len(data) <= LONGEST else _dump(_cut(data, LONGEST // 4))


def _dump(value: Any) -> str:
    return escape_in_json(json.dumps(value, ensure_ascii=True))


def _cut(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= limit else f"{value[:limit]}… (cut: {len(value)} characters)"
    if isinstance(value, list):
        return [_cut(item, limit) for item in value]
    if isinstance(value, dict):
        return {_cut(key, limit): _cut(item, limit) for key, item in value.items()}
    return value

"""The phrases of a trace by which its text is known again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from distil_dag.core.case import Case, Trace
from distil_dag.stages.forgetting.words import words

WINDOW = 8
"""Words of a phrase out of a longer text."""
_WHOLE = 12
_SHORT_WORDS = 3
# One or two words are a phrase only if they are this long, as a name is.
_SHORT_LETTERS = 12
Phrase = tuple[str, ...]


def phrases_of(text: str) -> Iterator[Phrase]:
    """The phrases of a text: all its words, or of more than twelve every eight in a row.

    A text of one or two short words has none, since nobody could tell whose it is.
    """
    said = tuple(word.text for word in words(text))
    if len(said) > _WHOLE:
        for start in range(len(said) - WINDOW + 1):
            yield said[start : start + WINDOW]
    elif len(said) >= _SHORT_WORDS or sum(map(len, said)) >= _SHORT_LETTERS:
        yield said


def texts_of(case: Case) -> Iterator[str]:
    """All that a case says: turns, calls and results, the answer, comments of feedback."""
    for message in case.messages:
        yield message.content
        for call in message.tool_calls:
            yield from _leaves(call.arguments)
    for call in case.calls:
        yield from _leaves(call.arguments)
    yield case.text
    if isinstance(case, Trace):
        for feedback in case.feedback:
            yield from _leaves(feedback.model_dump(mode="json"))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _leaves(item)

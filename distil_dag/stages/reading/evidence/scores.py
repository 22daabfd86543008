"""What a record keeps of what people and programs said of its answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.core.feedback import Feedback

# Langfuse and Braintrust; LangSmith; Phoenix; MLflow; logs of one's own.
_HELD = ("scores", "feedback_stats", "annotations", "assessments", "feedback", "user_feedback")
_SINGLE = ("rating", "thumbs", "thumb", "user_score", "reaction")
_NAMES = ("name", "key", "assessment_name", "scoreName")
_VALUES = ("value", "score", "stringValue", "label", "avg", "rating", "thumbs")
_NESTED = ("result", "feedback")
_MOST, _LONGEST = 20, 40


def feedback_of(record: Mapping[str, Any]) -> tuple[Feedback, ...]:
    """The scores of a record. Words of a comment are left out, since they may say anything.

    Args:
        record: as it was logged.
    """
    found = {(one.name, one.value): one for one in _all(record)}
    return tuple(list(found.values())[:_MOST])


def _all(record: Mapping[str, Any]) -> Iterator[Feedback]:
    for name in _SINGLE:
        yield from _one(name, record.get(name))
    for name in _HELD:
        held = record.get(name)
        if isinstance(held, list):
            for one in held:
                if isinstance(one, Mapping):
                    yield from _one(_named(one) or name, one)
        elif isinstance(held, Mapping) and not any(key in held for key in (*_VALUES, *_NAMES)):
            for key, value in held.items():
                yield from _one(str(key), value)
        elif isinstance(held, Mapping):
            single = next((key for key in _SINGLE if key in held), name)
            yield from _one(_named(held) or single, held)
        else:
            yield from _one(name, held)


def _one(name: str, value: Any) -> Iterator[Feedback]:
    for _ in range(3):
        if not isinstance(value, Mapping):
            break
        inner = [value[key] for key in (*_VALUES, *_NESTED) if value.get(key) is not None]
        value = inner[0] if inner else None
    if isinstance(value, str):
        label = value.strip().lower()
        value = float(label) if label.replace(".", "", 1).isdecimal() and label.isascii() else label
    # A long text is a comment.
    if isinstance(value, (bool, int, float)) or (isinstance(value, str) and 0 < len(value) <= _LONGEST):
        number = value if isinstance(value, (bool, str)) else float(value)
        if not isinstance(number, float) or math.isfinite(number):
            yield Feedback(name=name[:_LONGEST], value=number)


def _named(one: Mapping[str, Any]) -> str:
    return next((str(one[key]) for key in _NAMES if isinstance(one.get(key), str)), "")

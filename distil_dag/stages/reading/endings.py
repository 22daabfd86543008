"""How a logged answer ended: one that was cut, filtered or lost its calls is no label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from distil_dag.stages.reading.strict_values import Unreadable

KEYS = (
    "finish_reason", "finishReason", "finish_reasons", "stop_reason", "stopReason", "done_reason",
    "native_finish_reason", "stop_type",
)  # fmt: skip
"""Where services say how an answer ended."""
_KEYS = frozenset(KEYS)
# Objects beside a message in which frameworks keep it.
_HOLDERS = ("response_metadata", "generation_info", "additional_kwargs", "metadata")

# Services have some hundred names for a few reasons; the first of these that is found in one says which.
_REASONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"error|fail|cancel|abort|time_?out|malformed|insufficient|unexpected|too_many|overload|disconnect"
            r"|\A(?:un)?load\Z"
        ),
        "failed answer",
    ),
    (re.compile(r"length|max|limit|trunc|incomplete|exceed|exhaust|partial|interrupt|pause"), "cut answer"),
    (
        re.compile(
            r"filter|safety|refus|recitation|block|prohibit|spii|guardrail|moderat|sensitive|toxic|flagged"
            r"|polic|\Alanguage\Z"
        ),
        "filtered answer",
    ),
)
_TOXIC = "error_toxic"  # Cohere's word for a filter
_CALLED = re.compile(r"tool|function")


def refuse_unfinished(message: Mapping[str, Any]) -> None:
    """Check that an answer was neither cut nor filtered, as far as its message says.

    Raises:
        Unreadable: it says so.
    """
    for said, key in _said(message):
        if reason := _reason(said):
            raise Unreadable(reason, f"{key} is {said}")


def refuse_lost_calls(message: Mapping[str, Any]) -> None:
    """Check that a message without calls does not say that it ended in one.

    Raises:
        Unreadable: it says so.
    """
    for said, key in _said(message):
        if _CALLED.search(said):
            raise Unreadable("a call that was not logged", f"{key} is {said}, and there is no call")


def with_ending(message: Any, *holders: Any) -> Any:
    """A message that says how it ended, if one of the objects around it does; the nearest first."""
    if not isinstance(message, dict):
        return message
    for holder in holders:
        if isinstance(holder, dict):
            told = {key: holder[key] for key in _KEYS.intersection(holder) if not message.get(key)}
            message = {**message, **told} if told else message
    return message


def _said(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for holder in (message, *(message[name] for name in _HOLDERS if isinstance(message.get(name), dict))):
        for key in _KEYS.intersection(holder):
            value = holder[key]
            for one in value if isinstance(value, list) else (value,):
                if isinstance(one, str) and one:
                    found.append((_plain(one), key))
    return found


@lru_cache(maxsize=256)
def _reason(said: str) -> str:
    """Why an answer that ended so is no label; empty for one that is, or may be."""
    if said == _TOXIC:
        return "filtered answer"
    return next((reason for words, reason in _REASONS if words.search(said)), "")


@lru_cache(maxsize=256)
def _plain(said: str) -> str:
    """`FinishReason.MAX_TOKENS`, `maxTokens` and `max-tokens` as `max_tokens`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", said[:80].rsplit(".", 1)[-1].strip())
    return re.sub(r"[\s-]+", "_", words).lower()

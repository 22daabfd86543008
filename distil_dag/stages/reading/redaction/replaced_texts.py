"""Texts that a recorder was set to hide: the sign that stands in their place is no request and no answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from distil_dag.stages.reading.strict_values import Unreadable
from distil_dag.stages.reading.turns import Turn

_SIGNS = frozenset(
    {
        "redacted-by-litellm", "__redacted__", "[redacted]", "<redacted>", "[filtered]", "[masked]",
        "<masked>", "[hidden]", "[scrubbed]",
    }
)  # fmt: skip
# Of a text these are signs too; of an argument they may be a value.
_WORDS = _SIGNS | {"redacted", "***", "****", "*****"}
_LONGEST = 24
_SCRUBBED = "[Scrubbed due to"


def refuse_replaced(turns: Iterable[Turn]) -> None:
    """Check that no text and no argument of a conversation was replaced by a sign.

    Raises:
        Unreadable: one was.
    """
    for turn in turns:
        if _is_sign(turn.content, _WORDS):
            raise Unreadable("redacted text", f"a turn of the {turn.role} is {turn.content[:40]}")
        for call in turn.calls:
            for key, value in call.arguments.items():
                if _is_sign(value, _SIGNS):
                    raise Unreadable("redacted text", f"an argument, {key[:40]}, is {str(value)[:40]}")


def may_be_replaced(text: str) -> bool:
    """Whether one of several texts in a row may be such a sign; each sign has one of these."""
    return "[" in text or "<" in text or "*" in text or "redacted" in text.lower()


def _is_sign(text: Any, signs: frozenset[str]) -> bool:
    if not isinstance(text, str) or not text:
        return False
    if len(text) < _LONGEST:
        return text.strip().lower() in signs
    return text[0] == "[" and text.startswith(_SCRUBBED)

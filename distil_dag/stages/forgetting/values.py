"""What becomes of a value that holds forgotten words: a row goes, other text is blotted out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from distil_dag.core.case import Case
from distil_dag.stages.forgetting.tombstones import Tombstones

BLOT = "\N{FULL BLOCK}"
"""Stands for a forgotten word."""
_IDS = ("id", "trace_id", "case_id")
# Values of these are keyed by ids of traces.
_BY_ID = ("labels", "set_aside")
# These have ids of their own, which may be those of traces by chance.
_BY_WORDS = "test"
_CASE = frozenset({"messages", "request", "question"})
_GONE = object()


def is_forgotten(row: Mapping[str, Any], stones: Tombstones) -> bool:
    """Whether a row of a table or of a file has to go: by its id, its content or its words.

    Args:
        row: Column -> value; nested values may be JSON texts.
        stones: What was forgotten.
    """
    if any(isinstance(row.get(name), str | int) and stones.holds_id(str(row[name])) for name in _IDS):
        return True
    if isinstance(row.get("excerpt"), str) and stones.holds_record(row["excerpt"]):
        return True
    if isinstance(row.get("made_from"), str) and any(map(stones.holds_id, json.loads(row["made_from"]))):
        return True
    if (
        "cell" in row
        and "messages" not in row
        and stones.holds_rejected(str(row["request"]), str(row["calls"]))
    ):
        return True
    if "messages" in row:
        try:
            if stones.holds_row(Case.from_row({"id": "", **row})):
                return True
        except (ValidationError, ValueError):
            pass  # no case of ours; its words are looked at all the same
    return any(_holds(value, stones) for value in row.values())


def without_forgotten(value: Any, stones: Tombstones) -> Any:
    """A value of JSON without rows that were forgotten, and with forgotten words blotted out elsewhere.

    Returns:
        The value itself where nothing of it was forgotten.
    """
    found = _purged(value, stones)
    return None if found is _GONE else found


def blotted(value: Any, stones: Tombstones) -> Any:
    """A value of JSON with all its rows, and with forgotten words blotted out in every text."""
    if isinstance(value, str):
        return blotted_text(value, stones)
    if isinstance(value, dict):
        return _same(value, {key: blotted(item, stones) for key, item in value.items()})
    return _same(value, [blotted(item, stones) for item in value]) if isinstance(value, list) else value


def blotted_text(text: str, stones: Tombstones) -> str:
    """A text with a block in place of each forgotten word, also in JSON that it holds."""
    nested = _parsed(text)
    if nested is not None:
        kept = blotted(nested, stones)
        return text if kept is nested else json.dumps(kept, ensure_ascii=text.isascii())
    return _blotted_words(text, stones)


def blotted_markup(text: str, stones: Tombstones) -> str:
    """As :func:`blotted_text`, for a file whose marks have to stay: HTML, Markdown, logs."""
    return _blotted_words(text, stones)


def _blotted_words(text: str, stones: Tombstones) -> str:
    parts, done = [], 0
    for start, end in stones.spans(text):
        if start >= done:
            parts += [text[done:start], BLOT]
            done = end
    return "".join([*parts, text[done:]]) if done else text


def _purged(value: Any, stones: Tombstones) -> Any:
    if isinstance(value, list):
        kept = [one for item in value if (one := _purged(item, stones)) is not _GONE]
        return _same(value, kept)
    if not isinstance(value, dict):
        return blotted_text(value, stones) if isinstance(value, str) else value
    if any(isinstance(value.get(name), str) and stones.holds_id(value[name]) for name in _IDS):
        return _GONE
    if not _CASE.isdisjoint(value) and is_forgotten(value, stones):
        return _GONE
    kept_items = {}
    for name, item in value.items():
        if name in _BY_ID and isinstance(item, dict):
            item = _same(item, {key: one for key, one in item.items() if not stones.holds_id(str(key))})
        one = _purged(item, stones.by_words() if name == _BY_WORDS else stones)
        kept_items[name] = None if one is _GONE else one
    return _same(value, kept_items)


def _holds(value: Any, stones: Tombstones) -> bool:
    return (
        value is not None
        and not isinstance(value, bool | int | float)
        and blotted(value, stones) is not value
    )


def _parsed(text: str) -> Any:
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _same(before: Any, after: Any) -> Any:
    """What was there before, if nothing of it has changed."""
    if len(before) != len(after):
        return after
    pairs = (
        zip(before.values(), after.values(), strict=True)
        if isinstance(before, dict)
        else zip(before, after, strict=True)
    )
    return before if all(one is other for one, other in pairs) else after

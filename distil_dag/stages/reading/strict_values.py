"""Values from a log that nobody vouches for: strict JSON, clean text, bounded size and depth."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime, time
from typing import Any, NoReturn

from pydantic_core import from_json

MAX_RECORD_BYTES = 2**20
"""Text of one record, in bytes of UTF-8 as it is stored; a longer one goes to quarantine unread."""
MAX_DEPTH = 50
"""Levels of objects and lists inside one call's arguments."""

# NUL ends a string in C code behind this project; the others steer terminals. None is a word that
# somebody said. Half a surrogate pair is no text at all.
_UNCLEAN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"


class Unreadable(ValueError):
    """A record that goes to quarantine: `reason` is one of few fixed phrases, `detail` says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        return Unreadable, (self.reason, self.detail)


def bare(problem: Unreadable) -> Unreadable:
    """A problem without the frames that it was raised in, which would hold what they worked on."""
    return Unreadable(problem.reason, problem.detail)


def parse_json(text: str | bytes) -> Any:
    """The JSON value of a text, by the letter of RFC 8259 (no NaN, UTF-8 only).

    Raises:
        Unreadable: the text is no JSON, or is too long or too deep to be read.
    """
    if len(text) > MAX_RECORD_BYTES:
        raise too_large()
    try:
        # What it reads, it reads as the decoder does. It refuses more, and its errors name no reason.
        return from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError):  # TypeError: a text with half a surrogate pair
        pass
    try:
        if isinstance(text, bytes):
            text = text.removeprefix(_BOM).decode()
        return _DECODER.decode(text)
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8 text") from None
    except RecursionError:
        raise too_deep() from None
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable("broken JSON", str(error)) from None


def is_clean(text: str) -> bool:
    """Whether a text may be kept."""
    return text.isprintable() or _UNCLEAN.search(text) is None


def clean_text(value: Any, what: str) -> str:
    """`value` if it is text that may be kept; `what` names it in the error (Unreadable)."""
    if not isinstance(value, str):
        raise Unreadable("not text", f"{what} is {type(value).__name__}, not text")
    if not is_clean(value) and (bad := _UNCLEAN.search(value)):
        if "\ud800" <= bad[0] <= "\udfff":
            raise Unreadable("not UTF-8 text", f"{what} holds half a surrogate pair")
        raise Unreadable("control character", f"{what} holds U+{ord(bad[0]):04X}")
    return value


def check_json(value: Any, what: str, depth: int = 0) -> None:
    """Check that a value is JSON of clean text and finite numbers, not nested too deep.

    Args:
        value: the value.
        what: names it in the error.
        depth: how deep it stands in what is checked.

    Raises:
        Unreadable: it is not.
    """
    if value is None or isinstance(value, (bool, int)):
        return
    if isinstance(value, str):
        clean_text(value, what)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Unreadable("number that JSON does not have", f"{what} holds {value}")
    elif depth == MAX_DEPTH:
        raise too_deep()
    elif isinstance(value, dict):
        for key, item in value.items():
            clean_text(key, f"a name in {what}")
            check_json(item, what, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_json(item, what, depth + 1)
    else:
        raise Unreadable("wrong type", f"{what} holds {type(value).__name__}, which JSON does not have")


def read_time(value: Any) -> datetime | None:
    """A moment in UTC: from ISO 8601, Unix time in seconds to nanoseconds, or a datetime.

    A time without zone is UTC.

    Returns:
        The moment; None where the log has no time.

    Raises:
        Unreadable: the value is no moment that can be read.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            return _read_time_text(value.strip())
        if isinstance(value, datetime):
            return _in_utc(value)
        if isinstance(value, date):
            return datetime.combine(value, time(), UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _read_unix(value)
    except (ValueError, OverflowError, OSError):
        pass
    raise Unreadable("unreadable time", f"{str(value)[:40]!r} is neither ISO 8601 nor Unix time")


def time_or_none(value: Any) -> datetime | None:
    """The moment that :func:`read_time` reads; None for what it can't."""
    try:
        return read_time(value)
    except Unreadable:
        return None


def too_large() -> Unreadable:
    """The error for a record with more than `MAX_RECORD_BYTES` of text."""
    return Unreadable("larger than 1 MiB")


def too_deep() -> Unreadable:
    """The error for a value with more than `MAX_DEPTH` levels."""
    return Unreadable("nested too deep", f"more than {MAX_DEPTH} levels")


def _no_constant(name: str) -> NoReturn:
    raise Unreadable("number that JSON does not have", name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _read_time_text(text: str) -> datetime:
    if len(text) > len("20261130") and text.isdecimal():
        return _read_unix(float(text))  # digits alone would be a date and hours too, of the year 1796
    try:
        found = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        return _read_unix(float(text))
    return _in_utc(found)


def _in_utc(found: datetime) -> datetime:
    if found.tzinfo is UTC:
        return found
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _read_unix(number: float) -> datetime:
    # Each unit is a thousand times the next: the magnitude tells which one it is, from 1973 to 5138.
    for unit in (1, 1e3, 1e6, 1e9):
        if abs(number) < 1e11 * unit:
            return datetime.fromtimestamp(number / unit, UTC)
    raise ValueError(number)

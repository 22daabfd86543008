"""Why a tick passed a task over, in few words: every tick is kept, and its reasons with it."""

from __future__ import annotations

# An error may tell of each of 20,000 wrong rows; the first ones show what is wrong.
_LIMIT = 500


def unread(task: str, error: Exception) -> str:
    """That a task or its log can't be read and why, in 500 characters at most."""
    said = f"{task}: can't be read ({error})"
    return said if len(said) <= _LIMIT else said[: _LIMIT - 1] + "…"

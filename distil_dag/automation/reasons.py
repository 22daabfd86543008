"""Why a tick skipped a task, in few words, since Dagster stores every tick with its reasons."""

from __future__ import annotations

# An error may list 20,000 wrong rows; the first ones show what is wrong.
_LIMIT = 500


def unread(task: str, error: Exception) -> str:
    """A message that a task or its log can't be read, with the cause, in 500 characters at most."""
    said = f"{task}: can't be read ({error})"
    return said if len(said) <= _LIMIT else said[: _LIMIT - 1] + "…"

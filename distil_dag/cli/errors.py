"""The one way in which a command refuses."""

from __future__ import annotations


class CommandError(Exception):
    """A paragraph for the user, and the exit code: 2 for bad input, 1 for a failure."""

    def __init__(self, text: str, exit_code: int = 2) -> None:
        super().__init__(text)
        self.exit_code = exit_code

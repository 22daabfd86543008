"""The error with which a command refuses."""

from __future__ import annotations


class CommandError(Exception):
    """A command can't do what was asked.

    Args:
        text: A paragraph for the user.
        exit_code: 2 for bad input, 1 for a failure.
    """

    def __init__(self, text: str, exit_code: int = 2) -> None:
        super().__init__(text)
        self.exit_code = exit_code

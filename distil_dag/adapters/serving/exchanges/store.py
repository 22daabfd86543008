"""The port of a place where exchanges are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from distil_dag.stages.serving.exchanges.rows import Row


class Refused(Exception):
    """A place does not take some of the rows, however often they come; the message quotes none of them."""


class Store(Protocol):
    """A database, a folder or a bucket.

    Attributes:
        name: where it is, without secrets.
        batch: how many rows it takes at once.
        linger: for how many seconds rows are gathered before they are written.
    """

    name: str
    batch: int
    linger: float

    def write(self, rows: Sequence[Row]) -> int:
        """Keep rows: all of them, or none.

        Args:
            rows: as `row_of` makes them. Rows that a failed attempt has kept after all are not kept twice.

        Returns:
            How many are new.

        Raises:
            Refused: some of the rows can't be kept.
            Exception: the place does not answer now; the same rows come again.
        """
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...

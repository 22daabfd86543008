"""Objects that are closed after use, by hand or at the end of a `with` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """A context manager that returns itself and calls `close` on exit."""

    @abstractmethod
    def close(self) -> None:
        """Release what the object holds."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

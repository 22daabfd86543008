"""Lock files between processes: the system lets go of one however its holder ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock file for the length of a block, alone unless `kind` is shared; waits for it."""
    with path.open("a") as file:
        fcntl.flock(file.fileno(), kind)
        yield


def is_held(path: Path) -> bool:
    """Whether any process holds the lock now, shared or not."""
    with path.open("a") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

"""Lock files between processes: the system lets go of one however its holder ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold a lock file for the length of a block, alone or `shared` with others that share it.

    Raises:
        BlockingIOError: Another process holds it, and `wait` is false.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with path.open("a") as file:
        fcntl.flock(file.fileno(), kind if wait else kind | fcntl.LOCK_NB)
        yield


def is_held(path: Path) -> bool:
    """Whether any process holds the lock now, shared or not."""
    try:
        with locked(path, wait=False):
            return False
    except BlockingIOError:
        return True

"""The ids of a log that were read already."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable


class SeenIds:
    """A set of ids in SQLite's temporary database, which spills to disk, so that memory stays bounded."""

    def __init__(self) -> None:
        """An empty set."""
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;"
            "CREATE TABLE seen (id BLOB PRIMARY KEY) WITHOUT ROWID; BEGIN;"
        )

    def add(self, ids: Iterable[str]) -> bool:
        """Add all ids and return True if none was in the set; otherwise add none."""
        keys = sorted(set(map(_digest, ids)))
        if any(map(self._holds, keys)):
            return False
        self._database.executemany("INSERT INTO seen VALUES (?)", ((key,) for key in keys))
        return True

    def has(self, identity: str) -> bool:
        """Whether an id is in the set."""
        return self._holds(_digest(identity))

    def _holds(self, key: bytes) -> bool:
        return self._database.execute("SELECT 1 FROM seen WHERE id = ?", (key,)).fetchone() is not None


def _digest(identity: str) -> bytes:
    return hashlib.blake2b(identity.encode(), digest_size=16).digest()

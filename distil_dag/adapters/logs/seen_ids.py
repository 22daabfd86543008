"""The ids of a log that were read already."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Sequence

_MOST_VARIABLES = 32_000  # of one statement of SQLite
_MOST_WAITING = 10_000


class SeenIds:
    """A set of ids in SQLite's temporary database, which spills to disk, so that memory stays bounded."""

    def __init__(self) -> None:
        """An empty set."""
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;"
            "CREATE TABLE seen (id BLOB PRIMARY KEY) WITHOUT ROWID; BEGIN;"
        )
        self._asked: dict[bytes, bool] = {}
        self._waiting: set[bytes] = set()

    def look_up(self, keys: Sequence[bytes]) -> None:
        """Say which keys are added next; one query for all of them is quicker than one for each."""
        found: set[bytes] = set()
        for start in range(0, len(keys), _MOST_VARIABLES):
            part = keys[start : start + _MOST_VARIABLES]
            query = f"SELECT id FROM seen WHERE id IN ({','.join('?' * len(part))})"  # noqa: S608
            found.update(key for (key,) in self._database.execute(query, part))
        self._asked = {key: key in found for key in keys}

    def add(self, keys: Collection[bytes]) -> bool:
        """Add all keys and return True if none was in the set; otherwise add none."""
        for key in keys:
            if self._holds(key):
                return False
        self._waiting.update(keys)
        if len(self._waiting) > _MOST_WAITING:
            self._write()
        return True

    def has(self, identity: str) -> bool:
        """Whether an id is in the set."""
        return self._holds(key_of(identity))

    def _holds(self, key: bytes) -> bool:
        if key in self._waiting:
            return True
        found = self._asked.get(key)
        if found is None:
            found = self._database.execute("SELECT 1 FROM seen WHERE id = ?", (key,)).fetchone() is not None
        return found

    def _write(self) -> None:
        # In their order, so that neighbours go to one page of the database.
        rows = [(key,) for key in sorted(self._waiting)]
        self._database.executemany("INSERT INTO seen VALUES (?)", rows)
        self._asked |= dict.fromkeys(self._waiting, True)
        self._waiting.clear()


def key_of(identity: str) -> bytes:
    """What stands for an id."""
    return hashlib.blake2b(identity.encode(), digest_size=16).digest()

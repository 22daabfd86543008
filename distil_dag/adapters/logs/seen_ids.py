"""The ids of a log that were read already."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterable

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

    def look_up(self, ids: Iterable[str]) -> None:
        """Say which ids are asked for next; one query for all of them is quicker than one for each."""
        keys = list(map(_digest, ids))
        found: set[bytes] = set()
        for start in range(0, len(keys), _MOST_VARIABLES):
            part = keys[start : start + _MOST_VARIABLES]
            marks = ",".join("?" * len(part))
            query = f"SELECT id FROM seen WHERE id IN ({marks})"  # noqa: S608  # nothing but question marks
            found.update(key for (key,) in self._database.execute(query, part))
        self._asked = {key: key in found for key in keys}

    def add(self, ids: Collection[str]) -> bool:
        """Add all ids and return True if none was in the set; otherwise add none."""
        keys = set(map(_digest, ids))
        if any(map(self._holds, keys)):
            return False
        self._waiting |= keys
        if len(self._waiting) > _MOST_WAITING:
            # In their order, neighbours are written to one page.
            self._database.executemany(
                "INSERT INTO seen VALUES (?)", ((key,) for key in sorted(self._waiting))
            )
            self._asked.update(dict.fromkeys(self._waiting & self._asked.keys(), True))
            self._waiting.clear()
        return True

    def has(self, identity: str) -> bool:
        """Whether an id is in the set."""
        return self._holds(_digest(identity))

    def _holds(self, key: bytes) -> bool:
        if key in self._waiting:
            return True
        found = self._asked.get(key)
        if found is None:
            found = self._database.execute("SELECT 1 FROM seen WHERE id = ?", (key,)).fetchone() is not None
        return found


def _digest(identity: str) -> bytes:
    return hashlib.blake2b(identity.encode(), digest_size=16).digest()

"""SQLite databases without forgotten words: in their rows, in free pages, and in what was written ahead."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from distil_dag.stages.forgetting.tombstones import Tombstones
from distil_dag.stages.forgetting.values import blotted_text, is_forgotten

# Rows of these go as a whole; in others, such as Dagster's events, words are blotted out.
_WHOLE_ROWS = frozenset({"replies", "exchanges"})
_WAIT_SECONDS = 60.0
_BESIDE = ("-wal", "-journal")
_BLOCK = 2**20
_OVERLAP = 2**12


def is_database(path: Path) -> bool:
    """Whether a file is an SQLite database, by its first bytes."""
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def clean(path: Path, stones: Tombstones) -> int:
    """Delete rows that were forgotten, blot out forgotten words in others, and overwrite what they leave.

    Args:
        path: The database. Others may read and write it meanwhile.
        stones: What was forgotten.

    Returns:
        How many rows went or were changed.

    Raises:
        RuntimeError: The database can't be written.
    """
    changed = 0
    with _explained(path), closing(_connect(path)) as database:
        database.execute("PRAGMA secure_delete = ON")
        for table, keys, columns in _tables(database):
            found = list(_changes(database, table, keys, columns, stones))
            where = " AND ".join(f'"{key}" = ?' for key in keys)
            with database:
                for row, values in found:
                    if values is None:
                        database.execute(f'DELETE FROM "{table}" WHERE {where}', row)  # noqa: S608
                    else:
                        told = ", ".join(f'"{name}" = ?' for name in values)
                        statement = f'UPDATE "{table}" SET {told} WHERE {where}'  # noqa: S608
                        database.execute(statement, [*values.values(), *row])
            changed += len(found)
        if changed or _holds_bytes(path, stones):
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return changed


def places(path: Path, stones: Tombstones) -> Iterator[str]:
    """Where a database still holds forgotten words: tables, or pages that no table has.

    Raises:
        RuntimeError: The database can't be read.
    """
    found = False
    with _explained(path), closing(_connect(path)) as database:
        for table, keys, columns in _tables(database):
            count = sum(1 for _ in _changes(database, table, keys, columns, stones))
            if count:
                found = True
                yield f"{path}: {count} rows of table {table}"
    if not found and _holds_bytes(path, stones):
        yield f"{path}: pages that no table uses, or what was written ahead"


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_WAIT_SECONDS)
    database.text_factory = lambda data: data.decode(errors="replace")
    return database


def _tables(database: sqlite3.Connection) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each table with the columns that name a row, and all others."""
    listed = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    for table, sql in listed:
        if table.startswith("sqlite_"):
            continue
        columns = database.execute(f'PRAGMA table_info("{table}")').fetchall()
        primary = [column[1] for column in columns if column[5]]
        keys = primary if "WITHOUT ROWID" in (sql or "").upper() else ["rowid"]
        yield table, keys, [column[1] for column in columns]


def _changes(
    database: sqlite3.Connection, table: str, keys: list[str], columns: list[str], stones: Tombstones
) -> Iterator[tuple[list[Any], dict[str, str] | None]]:
    """The key of each row that holds forgotten words, and its new values; None for one that goes."""
    asked = ", ".join(f'"{name}"' for name in [*keys, *columns])
    for row in database.execute(f'SELECT {asked} FROM "{table}"'):  # noqa: S608
        key, values = list(row[: len(keys)]), dict(zip(columns, row[len(keys) :], strict=True))
        if table in _WHOLE_ROWS:
            if is_forgotten(values, stones):
                yield key, None
            continue
        texts = {name: value for name, value in values.items() if isinstance(value, str)}
        new = {name: text for name, value in texts.items() if (text := blotted_text(value, stones)) != value}
        if new:
            yield key, new


def _holds_bytes(path: Path, stones: Tombstones) -> bool:
    """Whether the bytes of a database hold forgotten words, wherever they stand."""
    for file in (path, *(path.with_name(path.name + end) for end in _BESIDE)):
        if not file.exists():
            continue
        with file.open("rb") as opened:
            before = b""
            while block := opened.read(_BLOCK):
                if stones.spans((before + block).decode(errors="replace")):
                    return True
                before = block[-_OVERLAP:]
    return False


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise RuntimeError(
            f"the database {path} can't be searched for what was forgotten: {error}. End what uses it, then "
            "try again"
        ) from error

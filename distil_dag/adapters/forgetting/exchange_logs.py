"""Logs of exchanges without forgotten ones, while servers go on writing them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from upath import UPath

from distil_dag.adapters.forgetting import sqlite
from distil_dag.adapters.forgetting.files import clean_file
from distil_dag.adapters.logs.sql import database
from distil_dag.adapters.serving.exchanges.open_log import database_url
from distil_dag.adapters.serving.exchanges.tables import exchanges
from distil_dag.adapters.system.environment import expand, masked
from distil_dag.stages.forgetting.tombstones import Tombstones
from distil_dag.stages.forgetting.values import is_forgotten

SETTING = "--exchanges"
_AT_ONCE = 500


def rows_of(address: str) -> Iterator[dict[str, Any]]:
    """All exchanges of a log, as rows whose bodies are JSON texts or objects.

    Args:
        address: As of `open_exchange_log`. A log that does not exist has none.

    Raises:
        SourceError: The place can't be read.
    """
    if url := database_url(address):
        if (path := _sqlite_file(url)) and not path.exists():
            return
        engine = database(url, SETTING)
        try:
            with engine.connect() as connection:
                if sa.inspect(connection).has_table(exchanges.name):
                    yield from map(dict, connection.execute(sa.select(exchanges)).mappings())
        finally:
            engine.dispose()
        return
    for path in _line_files(address):
        for line in path.read_bytes().split(b"\n"):
            if row := _row(line):
                yield row


def clean_log(address: str, stones: Tombstones) -> int:
    """Delete exchanges that were forgotten.

    A file that a server may be appending to is overwritten in its place, line by line, with spaces.

    Args:
        address: As of `open_exchange_log`.
        stones: What was forgotten.

    Returns:
        How many went.

    Raises:
        SourceError: The place can't be used.
        RuntimeError: It can't be written.
    """
    if url := database_url(address):
        path = _sqlite_file(url)
        if path is None:
            return _clean_server(url, stones)
        return sqlite.clean(path, stones) if path.exists() else 0
    return sum(
        _blank_lines(Path(path.path), stones)
        if path.protocol in ("", "file", "local")
        else clean_file(path, stones)
        for path in _line_files(address)
    )


def places_in_log(address: str, stones: Tombstones) -> Iterator[str]:
    """Where a log of exchanges still holds forgotten words."""
    if (url := database_url(address)) and (path := _sqlite_file(url)):
        if path.exists():
            yield from sqlite.places(path, stones)
        return
    count = sum(is_forgotten(row, stones) for row in rows_of(address))
    if count:
        yield f"{masked(address)}: {count} exchanges"


def _clean_server(url: str, stones: Tombstones) -> int:
    engine = database(url, SETTING, writes=True)
    try:
        with engine.begin() as connection:
            if not sa.inspect(connection).has_table(exchanges.name):
                return 0
            found = connection.execute(sa.select(exchanges)).mappings()
            gone = [row["id"] for row in found if is_forgotten(dict(row), stones)]
            for start in range(0, len(gone), _AT_ONCE):
                some = gone[start : start + _AT_ONCE]
                connection.execute(sa.delete(exchanges).where(exchanges.c.id.in_(some)))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # A row that is only deleted stays on its page until then.
            connection.execute(sa.text(f"VACUUM (FULL) {exchanges.name}"))
        return len(gone)
    finally:
        engine.dispose()


def _blank_lines(path: Path, stones: Tombstones) -> int:
    count = 0
    with path.open("r+b", buffering=0) as file:
        data, start = path.read_bytes(), 0
        for line in data.split(b"\n"):
            row = _row(line)
            if is_forgotten(row, stones) if row else bool(stones.spans(line.decode(errors="replace"))):
                file.seek(start)
                file.write(b" " * len(line))
                count += 1
            start += len(line) + 1
    return count


def _line_files(address: str) -> list[UPath]:
    folder = UPath(expand(address, SETTING))
    return sorted(folder.glob("*.jsonl"), key=lambda path: path.name) if folder.exists() else []


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _sqlite_file(url: str) -> Path | None:
    named = sa.make_url(expand(url, SETTING))
    return Path(named.database) if named.get_backend_name() == "sqlite" and named.database else None


def field_of(row: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of a row or record; bodies in JSON texts are looked into.

    Returns:
        The value; None where there is none.
    """
    if path in row:
        return row[path]
    head, dot, rest = path.partition(".")
    value = row.get(head)
    if not dot:
        return value
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return field_of(value, rest) if isinstance(value, Mapping) else None

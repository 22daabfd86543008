"""The log of exchanges, read again for those who watch a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import sqlalchemy as sa
from upath import UPath

from distil_dag.adapters.logs.sql import database
from distil_dag.adapters.serving.exchanges.open_log import SETTING, database_url
from distil_dag.adapters.serving.exchanges.tables import exchanges as table
from distil_dag.adapters.system.environment import expand
from distil_dag.stages.serving.exchange import Exchange
from distil_dag.stages.serving.exchanges.overview import Hour, hours_of
from distil_dag.stages.serving.exchanges.rows import exchange_of

_NEWEST_BYTES = 2**26


class ExchangeReader(Protocol):
    """Reads what a log holds by now."""

    def hours(self, task: str, since: datetime) -> list[Hour]:
        """The exchanges of a task since a moment, counted by hour, in order of time."""
        ...

    def recent(self, task: str, most: int) -> list[Exchange]:
        """The newest exchanges of a task, in order of time, without their requests."""
        ...

    def disagreeing(self, task: str, most: int) -> list[Exchange]:
        """The last exchanges of a task where student and teacher differ, the newest first."""
        ...


def open_reader(address: str) -> ExchangeReader:
    """The reader of a log.

    Args:
        address: as of `open_exchange_log`, which has made it.

    Raises:
        SourceError: it can't be used.
    """
    url = database_url(address)
    return SqlReader(url) if url else FilesReader(UPath(expand(address, SETTING)))


class SqlReader:
    """Reads the table of a database, which counts by itself."""

    def __init__(self, url: str) -> None:
        """Nothing is asked yet; `url` is that of the store."""
        self._engine = database(url, SETTING)
        self._keeps_moments = self._engine.dialect.name != "sqlite"

    def hours(self, task: str, since: datetime) -> list[Hour]:
        """As of a reader."""
        time = table.c.time
        hour = (
            sa.func.to_char(sa.func.timezone("UTC", time), 'YYYY-MM-DD"T"HH24')
            if self._keeps_moments
            else sa.func.substr(time, 1, len("2026-11-30T23"))
        )
        moment = since.astimezone(UTC)
        alone = table.c.answered_by == "student"
        agree, compared = table.c.agrees.is_(sa.true()), table.c.agrees.is_not(None)
        query = (
            sa.select(
                hour.label("start"),
                sa.func.count().label("answered"),
                _count(alone).label("alone"),
                _count(alone, table.c.audited.is_(sa.true())).label("audited"),
                _count(alone, compared).label("heard_compared"),
                _count(alone, agree).label("heard_agreed"),
                _count(sa.not_(alone), compared).label("shadow_compared"),
                _count(sa.not_(alone), agree).label("shadow_agreed"),
                sa.func.coalesce(sa.func.sum(table.c.cost), 0.0).label("cost"),
                sa.func.count(table.c.cost).label("priced"),
            )
            .where(table.c.task == task)
            .where(time >= (moment if self._keeps_moments else moment.isoformat(timespec="microseconds")))
            .group_by(sa.text("start"))
            .order_by(sa.text("start"))
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [Hour(**{**row, "start": datetime.fromisoformat(f"{row['start']}:00+00:00")}) for row in rows]

    def recent(self, task: str, most: int) -> list[Exchange]:
        """As of a reader."""
        wanted = [column for column in table.c if column.name != "request"]
        query = sa.select(*wanted).where(table.c.task == task)
        return list(reversed(self._newest(query, most)))

    def disagreeing(self, task: str, most: int) -> list[Exchange]:
        """As of a reader."""
        query = sa.select(table).where(table.c.task == task, table.c.agrees.is_(sa.false()))
        return self._newest(query, most)

    def _newest(self, query: sa.Select[Any], most: int) -> list[Exchange]:
        with self._engine.connect() as connection:
            found = connection.execute(query.order_by(table.c.time.desc()).limit(most)).mappings()
            return [exchange_of({"request": {}, **row}) for row in found]


class FilesReader:
    """Reads the newest files of a folder, each only once while it does not grow."""

    def __init__(self, folder: UPath, newest_bytes: int = _NEWEST_BYTES) -> None:
        """Nothing is read yet.

        Args:
            folder: The folder of the store.
            newest_bytes: How much is looked at; older files are left out.
        """
        self._folder, self._newest_bytes = folder, newest_bytes
        self._known: dict[str, tuple[int, list[Exchange]]] = {}

    def hours(self, task: str, since: datetime) -> list[Hour]:
        """As of a reader."""
        return hours_of(one for one in self._exchanges() if one.task == task and one.time >= since)

    def recent(self, task: str, most: int) -> list[Exchange]:
        """As of a reader."""
        found = [one for one in self._exchanges() if one.task == task]
        return sorted(found, key=lambda one: one.time)[-most:]

    def disagreeing(self, task: str, most: int) -> list[Exchange]:
        """As of a reader."""
        found = [one for one in self._exchanges() if one.task == task and one.agrees is False]
        return sorted(found, key=lambda one: one.time, reverse=True)[:most]

    def _exchanges(self) -> Iterator[Exchange]:
        left, known = self._newest_bytes, {}
        self._folder.fs.invalidate_cache()  # others write here too
        for path in sorted(self._folder.glob("*.jsonl"), key=lambda path: path.name, reverse=True):
            size = int(path.stat().st_size)
            before = self._known.get(path.name)
            known[path.name] = (
                before if before and before[0] == size else (size, list(_lines(path.read_bytes())))
            )
            left -= size
            if left < 0:
                break
        self._known = known
        for _, found in known.values():
            yield from found


def _lines(data: bytes) -> Iterator[Exchange]:
    """The exchanges of whole lines; the last one may still be written, or was cut by a kill."""
    for line in data.split(b"\n"):
        try:
            exchange = exchange_of(json.loads(line)) if line else None
        except ValueError:
            continue
        if exchange:
            yield exchange if exchange.agrees is False else replace(exchange, request={})


def _count(*conditions: sa.ColumnElement[bool]) -> sa.Function[Any]:
    return sa.func.sum(sa.case((sa.and_(*conditions), 1), else_=0))

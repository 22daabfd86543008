"""Exchanges in SQLite or Postgres, a row each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from distil_dag.adapters.logs.sql import database
from distil_dag.adapters.serving.exchanges.store import Refused
from distil_dag.adapters.serving.exchanges.tables import TABLE, by_time, exchanges
from distil_dag.adapters.system.environment import SourceError, masked, unexpanded
from distil_dag.stages.serving.exchanges.rows import Row

_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_ONLY_ITS_OWNER = 0o600
_CONNECT_SECONDS = 5


class SqlStore:
    """A table `exchanges`, made where it is missing.

    SQLite writes ahead (WAL), so that others read while it is written. What is written survives the end of
    the process, and of the machine but for the last moments.
    """

    batch, linger = 200, 0.1

    def __init__(self, url: str, setting: str) -> None:
        """Connect, and make the table.

        Args:
            url: SQLAlchemy URL; `${NAME}` is read from the environment.
            setting: Where the URL is set, for errors.

        Raises:
            SourceError: The database can't be used.
        """
        self.name = masked(url)
        self._url = url
        self._engine = database(url, setting, writes=True)
        dialect = self._engine.dialect.name
        if dialect not in _INSERTS:
            known = " and ".join(sorted(_INSERTS))
            raise SourceError(f"{setting}: exchanges are kept in {known}, not in {dialect}")
        self._insert = _INSERTS[dialect](exchanges).on_conflict_do_nothing().returning(exchanges.c.id)
        self._keeps_moments = dialect != "sqlite"
        try:
            if dialect == "sqlite":
                _make_private(self._engine.url.database)
                sa.event.listen(self._engine, "connect", _write_ahead)
            elif self._engine.driver.startswith("psycopg"):
                sa.event.listen(self._engine, "do_connect", _be_quick)
            with self._engine.begin() as connection:
                connection.execute(sa.schema.CreateTable(exchanges, if_not_exists=True))
                has = {column["name"] for column in sa.inspect(connection).get_columns(TABLE)}
                if has >= set(exchanges.c.keys()):
                    connection.execute(sa.schema.CreateIndex(by_time, if_not_exists=True))
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise SourceError(f"{setting}: {self.name} can't be written: {self._said(error)}") from None
        if missing := set(exchanges.c.keys()) - has:
            raise SourceError(
                f"{setting}: the table {TABLE} of {self.name} lacks {', '.join(sorted(missing))}. "
                "Rename it, or name another database"
            )

    def write(self, rows: Sequence[Row]) -> int:
        """As :meth:`Store.write`, in one transaction."""
        if self._keeps_moments:
            rows = [{**row, "time": datetime.fromisoformat(row["time"])} for row in rows]
        try:
            with self._engine.begin() as connection:
                return len(connection.execute(self._insert, list(rows)).all())
        except (sa.exc.DataError, sa.exc.IntegrityError) as error:
            raise Refused(type(error).__name__) from None
        except sa.exc.DBAPIError as error:
            raise OSError(self._said(error)) from None
        except sa.exc.StatementError as error:
            raise Refused(type(error).__name__) from None

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _said(self, error: Exception) -> str:
        return unexpanded(str(getattr(error, "orig", None) or error), self._url)


def _make_private(path: str | None) -> None:
    """Make the file of a database, which holds what users said, with rights for its owner alone."""
    if path and path != ":memory:":
        Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, _ONLY_ITS_OWNER))


def _write_ahead(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _be_quick(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
    parameters.setdefault("connect_timeout", _CONNECT_SECONDS)

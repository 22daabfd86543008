"""A log in a table of any SQL database, read through dlt's `sql_table`.

Only the needed columns leave the database, and only rows that can belong to the run: `where` and the window
are part of the query. A database may store times as text or numbers. For those the query selects somewhat too
much, and `read_time` decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable, expand, masked, unexpanded
from distil_dag.core.run_key import RunKey
from distil_dag.core.sources import SqlSource
from distil_dag.stages.reading.fields import CONTENT, CONTENT_FIELDS, FIELDS, RECORDED, chosen, field_of
from distil_dag.stages.reading.strict_values import time_or_none

_PAGE = 1000
_LOOKS_LIKE_A_DATE = "____-__-__%"
# Times that are stored as text may differ from UTC by their zone, by a day at most.
_ZONES = timedelta(days=1)
_UNIX_UNITS = (1, 10**3, 10**6, 10**9)


class SqlLog:
    """A table of logged calls, its columns checked against the task."""

    def __init__(self, source: SqlSource, also: Iterable[str] = ()) -> None:
        """Connect and inspect the table.

        Args:
            source: URL, table and columns.
            also: Columns to read besides those that a run needs.

        Raises:
            SourceError: The database can't be reached, or the settings do not fit the table.
        """
        self._source = source
        self._handed_over = 0
        self._engine = database(source.url)
        schema, _, name = source.table.rpartition(".")
        self._schema, self._name = schema or None, name
        self._types = self._column_types()
        self._table = sa.table(
            self._name, *(sa.column(column) for column in self._types), schema=self._schema
        )
        theirs = {ours: source.columns.get(ours, ours) for ours in FIELDS}
        self._check(theirs)
        named = [source.id_column, source.time_column, *theirs.values(), *also]
        first = [name for name in dict.fromkeys(named) if name in self._types]
        self._needed = list(dict.fromkeys([*first, *chosen(self._types, first)]))

    def resource(self, key: RunKey) -> Any:
        """A dlt resource of pages of rows (dicts), in the order of their ids."""
        from dlt.sources.sql_database import sql_table

        return sql_table(
            self._engine,
            self._name,
            self._schema,
            chunk_size=_PAGE,
            reflection_level="minimal",
            included_columns=self._needed,
            query_adapter_callback=lambda _query, _table: self.query(key),
        )

    def pages(self, key: RunKey) -> Iterator[list[dict[str, Any]]]:
        """Pages of rows, in the order of their ids."""
        rows = iter(self.resource(key))
        while page := list(itertools.islice(rows, _PAGE)):
            yield page

    def records(self, page: Iterable[dict[str, Any]]) -> Iterator[RawRecord]:
        """The rows of a page as records."""
        name = self._source.id_column
        for row in page:
            self._handed_over += 1
            place = f"row {self._handed_over}" if row.get(name) is None else f"{name} {row[name]}"
            yield RawRecord(self._source.table, place, row)

    def query(self, key: RunKey) -> sa.Select[Any]:
        """The statement that selects a run's rows: needed columns, coarse window, stable order."""
        # Columns carry no type here, so a value that does not fit the declared type doesn't end the page.
        query = sa.select(*(self._table.c[name] for name in self._needed)).where(*self._where())
        if key.since and key.until and self._source.time_column:
            query = query.where(self._within(key.since, key.until))
        return query.order_by(*self._order())

    def count_between(self, since: datetime, until: datetime) -> int:
        """Number of rows that were logged in a window.

        Where the column holds timestamps, the database counts; otherwise the times are read.

        Args:
            since: Start of the window, inclusive.
            until: End of the window, exclusive.

        Raises:
            SourceError: No time column is set, or the database can't be read.
        """
        column = self._time_column()
        query = sa.select(sa.func.count()).select_from(self._table).where(*self._where())
        with self._told() as connection:
            if self._is_moment():
                inside = _between(column, self._moment(since), self._moment(until))
                return int(connection.scalar(query.where(inside)) or 0)
            times = sa.select(column).where(*self._where(), self._within(since, until))
            rows = connection.execution_options(yield_per=10_000).execute(times)
            return sum(
                time is not None and since <= time < until for time in map(time_or_none, rows.scalars())
            )

    def _where(self) -> list[sa.ColumnElement[bool]]:
        found = []
        for name, wanted in self._source.where.items():
            value: str | int | bool = wanted
            if isinstance(self._types[name], sa.Boolean):
                value = wanted.lower() in ("true", "1")
            elif isinstance(self._types[name], (sa.Integer, sa.Numeric)) and wanted.lstrip("-").isdecimal():
                value = int(wanted)
            found.append(self._table.c[name] == value)
        return found

    def _within(self, since: datetime, until: datetime) -> sa.ColumnElement[bool]:
        """True for every row of the window, possibly for others, and always for values that are no time."""
        column = self._time_column()
        if self._is_moment():
            inside = _between(column, self._moment(since), self._moment(until))
            return sa.or_(inside, column.is_(None))
        if self._is_number():
            ends = [(since.timestamp() * unit, until.timestamp() * unit) for unit in _UNIX_UNITS]
            parts = [_between(column, start, end) for start, end in ends]
            if self._engine.dialect.name == "sqlite":
                parts.append(sa.func.typeof(column) == "text")
            return sa.or_(*parts, column.is_(None))
        inside = _between(column, _day(since - _ZONES), _day(until + 2 * _ZONES))
        return sa.or_(inside, column.not_like(_LOOKS_LIKE_A_DATE), column.is_(None))

    def _order(self) -> list[sa.ColumnElement[Any]]:
        first = self._table.c[self._source.id_column]
        inspector = sa.inspect(self._engine)
        key = inspector.get_pk_constraint(self._name, self._schema)["constrained_columns"]
        if key == [self._source.id_column]:
            return [first]
        # Ids may repeat: the rest of the row decides which of two rows comes first.
        rest = [self._table.c[name] for name in self._needed if name != self._source.id_column]
        return [first, *(sa.cast(column, sa.String) for column in rest)]

    def _time_column(self) -> sa.ColumnClause[Any]:
        if self._source.time_column is None:
            raise SourceError("traces.time_column is not set: what is new in the table can't be told")
        return self._table.c[self._source.time_column]

    def _is_moment(self) -> bool:
        """Whether the time column holds timestamps; SQLite stores any value in a column of any type."""
        kind = self._types[str(self._source.time_column)]
        return isinstance(kind, sa.DateTime) and self._engine.dialect.name != "sqlite"

    def _is_number(self) -> bool:
        return isinstance(self._types[str(self._source.time_column)], (sa.Integer, sa.Numeric))

    def _moment(self, time: datetime) -> datetime:
        aware = getattr(self._types[str(self._source.time_column)], "timezone", False)
        return time if aware else time.astimezone(UTC).replace(tzinfo=None)

    @contextmanager
    def _told(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            url = self._source.url
            said = unexpanded(str(getattr(error, "orig", None) or error), url)
            told = SourceUnavailable if isinstance(error, sa.exc.OperationalError) else SourceError
            raise told(f"{masked(url)} can't be read: {said}") from None

    def _column_types(self) -> dict[str, Any]:
        with self._told():
            inspector = sa.inspect(self._engine)
            names = [*inspector.get_table_names(self._schema), *inspector.get_view_names(self._schema)]
            if self._name not in names:
                known = ", ".join(sorted(names)[:20]) or "none at all"
                raise SourceError(f"the database has no table {self._source.table!r}; it has {known}")
            return {
                column["name"]: column["type"] for column in inspector.get_columns(self._name, self._schema)
            }

    def _check(self, theirs: dict[str, str]) -> None:
        source, problems = self._source, []
        wanted = {"traces.id_column": source.id_column, "traces.time_column": source.time_column}
        wanted |= {f"traces.columns.{ours}": column for ours, column in source.columns.items()}
        wanted |= {f"traces.where.{column}": column for column in source.where}
        for setting, column in wanted.items():
            if column is not None and column not in self._types:
                problems.append(f"{setting}: there is no column {column!r}")
        is_read = any(column in self._types for ours, column in theirs.items() if ours in CONTENT_FIELDS)
        if not is_read and set(map(field_of, self._types)).isdisjoint(RECORDED):
            problems.append(f"no column is one of {', '.join(CONTENT)}; name it in traces.columns")
        if problems:
            has = ", ".join(sorted(self._types))
            raise SourceError(f"table {source.table!r} has the columns {has}. " + "; ".join(problems))


def database(url: str, setting: str = "traces.url", *, writes: bool = False) -> sa.Engine:
    """The database at a URL, not yet connected to.

    Args:
        url: SQLAlchemy URL; `${NAME}` is read from the environment.
        setting: Where the URL is set, for errors.
        writes: Whether it is written to: connections stay open, and an SQLite file need not exist.

    Raises:
        SourceError: The URL can't be used.
    """
    try:
        parsed = sa.make_url(expand(url, setting))
        # Without this check, the rest of a password would be looked up as a host and shown in an error.
        if parsed.username is not None and "@" in f"{parsed.host}{parsed.database}":
            raise sa.exc.ArgumentError
        pool = {"pool_pre_ping": True} if writes else {"poolclass": sa.NullPool}
        # An error must not quote what is logged.
        engine = sa.create_engine(parsed, hide_parameters=True, **pool)
    except SourceError:
        raise
    except ModuleNotFoundError as error:
        raise SourceError(
            f"{setting} needs the Python package {error.name}, which is not installed: install it, or name "
            "the driver that is, such as postgresql+psycopg2://"
        ) from None
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, ValueError) as error:
        # The error may quote the URL, which may hold a password.
        raise SourceError(
            f"{setting} can't be used as a database URL ({type(error).__name__}). It looks like "
            "postgresql+psycopg2://USER:${PASSWORD}@HOST:PORT/DATABASE; signs such as @ : / in the password "
            "must be percent-encoded (%40 %3A %2F), in a variable of the environment too"
        ) from None
    if parsed.get_backend_name() == "sqlite":
        is_file = bool(parsed.database) and parsed.database != ":memory:"
        if is_file and not writes and not Path(str(parsed.database)).is_file():
            raise SourceError(f"there is no SQLite database {unexpanded(str(parsed.database), url)}")

        # Bytes that are no UTF-8 would end the query in Python's driver; lone surrogates fail only their row.
        @sa.event.listens_for(engine, "connect")
        def _keep_broken_text(connection: Any, _record: Any) -> None:
            connection.text_factory = lambda text: text.decode(errors="surrogateescape")

    return engine


def _between(column: Any, start: Any, end: Any) -> sa.ColumnElement[bool]:
    return sa.and_(column >= start, column < end)


def _day(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d")

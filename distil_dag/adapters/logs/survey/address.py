"""From where a log is, as a user types it, to the section `traces` of a task."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from distil_dag.adapters.logs.sql import database
from distil_dag.adapters.logs.survey.columns import IDS, TIMES, is_time
from distil_dag.adapters.system.environment import SourceError, masked, unexpanded
from distil_dag.core.sources import SERVICE_KINDS, FileSource, SqlSource, TraceSource
from distil_dag.stages.reading.fields import CONTENT_FIELDS, RECORDED, field_of

_SERVICE = re.compile(r"^([a-z][a-z0-9_]*)(?::(?!//)(.+))?$", re.DOTALL)
_WITH_TABLES = frozenset({"clickhouse"})
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_SQLITE_FILE = re.compile(r"^(sqlite(?:\+\w+)?:///)(?!/|:memory:|\$\{)([^?]+)(.*)$", re.DOTALL)
# Databases whose dialects come with packages of their own, and a name that SQLAlchemy has given up.
_DATABASES = frozenset(
    {
        "postgres",
        "clickhouse",
        "clickhousedb",
        "duckdb",
        "snowflake",
        "bigquery",
        "redshift",
        "databricks",
        "trino",
    }
)
_SQLITE = b"SQLite format 3\x00"
_SAMPLE, _SHOWN = 100, 20
_SOURCE: TypeAdapter[TraceSource] = TypeAdapter(TraceSource)


def source_at(
    address: str, table: str | None = None, id_column: str | None = None, time_column: str | None = None
) -> TraceSource:
    """The source at an address, with absolute paths.

    Args:
        address: a file, folder or glob, an address that fsspec knows, the URL of a database, or a kind of
            service with its address behind it: `langfuse`, `langfuse:https://host`.
        table: the table of a database; without it the only one that looks like a log.
        id_column: the column that names a row, if it is not to be found.
        time_column: the column with the time of a row, if it is not to be found.

    Raises:
        SourceError: nothing is there, or what to read is left open.
    """
    service = _SERVICE.match(address)
    if service and service[1] in SERVICE_KINDS and not Path(address).exists():
        if table and service[1] not in _WITH_TABLES:
            raise SourceError(f"{service[1]} is no database: leave --table out")
        return _of_service(service[1], service[2], table, id_column, time_column)
    scheme = _SCHEME.match(address)
    if scheme and _is_of_a_database(scheme[1]):
        return _of_database(_absolute_url(address), table, id_column, time_column)
    if not scheme:
        path = Path(address).expanduser().absolute()
        if path.is_file() and _is_sqlite(path):
            return _of_database(f"sqlite:///{path}", table, id_column, time_column)
        if not path.exists() and not glob.glob(str(path), recursive=True):
            raise SourceError(f"there is no file {address}")
        address = str(path)
    if table:
        raise SourceError(f"{masked(address)} is no database: leave --table out")
    return FileSource(kind="files", path=address, id_column=id_column, time_column=time_column)


def _of_service(
    kind: str, url: str | None, table: str | None, id_column: str | None, time_column: str | None
) -> TraceSource:
    if url and masked(url) != url:
        raise SourceError(
            f"{kind}:{masked(url)} holds a secret, which would be kept with the task: write ${{NAME}} for "
            "it, and set this variable of the environment"
        )
    given = {"kind": kind, "url": url, "table": table, "id_column": id_column, "time_column": time_column}
    try:
        found: TraceSource = _SOURCE.validate_python({k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        missing = ", ".join(sorted({str(detail["loc"][-1]) for detail in error.errors()}))
        if missing == "url":
            raise SourceError(
                f"write the address of the service behind its kind: {kind}:https://host"
            ) from None
        raise SourceError(
            f"a log of kind {kind} needs more than an address: {missing}. Write a folder by "
            "`distil-dag init`, and fill in its section `traces`"
        ) from None
    return found


def _of_database(url: str, table: str | None, id_column: str | None, time_column: str | None) -> SqlSource:
    try:
        inspector = sa.inspect(database(url))
        name = table or _table_of(inspector, url)
        schema, _, bare = name.rpartition(".")
        has = {column["name"]: column["type"] for column in inspector.get_columns(bare, schema or None)}
        key = id_column or _id_of(inspector, bare, schema or None, has)
        if key is None:
            listed = ", ".join(has)
            raise SourceError(
                f"no column of table {name!r} is known to name a row; name one by --id-column. "
                f"It has {listed}"
            )
        for option, column in (("--id-column", id_column), ("--time-column", time_column)):
            if column and column not in has:
                raise SourceError(
                    f"{option}: table {name!r} has no column {column!r}; it has {', '.join(has)}"
                )
        time = time_column or _time_of(database(url), bare, schema or None, has)
    except sa.exc.NoSuchTableError:
        raise SourceError(f"the database has no table {table!r}; it has {_listed(inspector)}") from None
    except sa.exc.SQLAlchemyError as error:
        said = unexpanded(str(getattr(error, "orig", None) or error), url)
        raise SourceError(f"{masked(url)} can't be read: {said}") from None
    return SqlSource(kind="sql", url=url, table=name, id_column=key, time_column=time)


def _table_of(inspector: sa.Inspector, url: str) -> str:
    names = [*inspector.get_table_names(), *inspector.get_view_names()]
    alike = [name for name in names if _is_log(column["name"] for column in inspector.get_columns(name))]
    if len(alike) == 1:
        return alike[0]
    if alike:
        listed = ", ".join(sorted(alike)[:_SHOWN])
        raise SourceError(
            f"{masked(url)} has several tables that look like a log: {listed}. Name one by --table"
        )
    raise SourceError(
        f"no table of {masked(url)} looks like a log. Name one by --table; it has {_listed(inspector)}"
    )


def _is_log(columns: Iterable[str]) -> bool:
    names = set(map(field_of, columns))
    return not names.isdisjoint(CONTENT_FIELDS) or not names.isdisjoint(RECORDED)


def _listed(inspector: sa.Inspector) -> str:
    names = sorted([*inspector.get_table_names(), *inspector.get_view_names()])
    return ", ".join(names[:_SHOWN]) or "no table at all"


def _id_of(inspector: sa.Inspector, table: str, schema: str | None, has: Mapping[str, object]) -> str | None:
    key = inspector.get_pk_constraint(table, schema)["constrained_columns"]
    if len(key) == 1:
        return str(key[0])
    return next((name for name in IDS if name in has), None)


def _time_of(engine: sa.Engine, table: str, schema: str | None, has: Mapping[str, object]) -> str | None:
    """The column with the time of a row, by its name or its type, and by the values of some rows."""
    typed = [name for name, kind in has.items() if isinstance(kind, sa.DateTime)]
    named = [name for name in TIMES if name in has]
    with engine.connect() as connection:
        for name in dict.fromkeys([*named, *typed]):
            column: sa.ColumnClause[object] = sa.column(name)
            values = sa.select(column).select_from(sa.table(table, schema=schema)).limit(_SAMPLE)
            found = [value for value in connection.execute(values).scalars() if value is not None]
            if found and all(map(is_time, found)):
                return name
    return None


def _is_of_a_database(scheme: str) -> bool:
    dialect = scheme.lower().partition("+")[0]
    if dialect in _DATABASES:
        return True
    try:
        sa.dialects.registry.load(dialect)
    except sa.exc.NoSuchModuleError:
        return False
    except ImportError:
        pass  # its driver is missing, which is said later
    return True


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _absolute_url(url: str) -> str:
    found = _SQLITE_FILE.match(url)
    return f"{found[1]}{Path(found[2]).expanduser().absolute()}{found[3]}" if found else url

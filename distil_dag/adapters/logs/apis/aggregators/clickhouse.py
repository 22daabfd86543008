"""ClickHouse over HTTP: rows of a table or a query, in the order of their times.

Names and values are parameters of the request, so no text of a setting or a row becomes SQL; only
`traces.query`, which is SQL, stands in it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from distil_dag.adapters.logs.apis.aggregators.lines import Lines, moment, nanoseconds
from distil_dag.adapters.logs.apis.service import Service, Window
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable
from distil_dag.core.api_sources import ClickHouseSource
from distil_dag.stages.reading.strict_values import MAX_RECORD_BYTES, too_large

_KEY, _NAME = "distil_dag_key", "distil_dag_name"
# In nanoseconds: seconds, and what is finer.
_UNIX_UNITS = (10**9, 10**6, 10**3, 1)
# What a number or a text is rounded to when it is read may lie behind the end of a window.
_MORE = timedelta(seconds=1)
_COLUMN = "{time:Identifier}"
# HTTP parameters are read as ClickHouse's escaped text.
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


class _Clock(NamedTuple):
    """How the times of a column are compared.

    Attributes:
        key: Orders rows as their times do, and is never null.
        type: The key's type.
        within: Whether a row may be in a window; never false for one that is.
        is_moment: Whether the key is nanoseconds of Unix time.
    """

    key: str
    type: str
    within: str
    is_moment: bool = False


_MOMENTS = _Clock(
    f"ifNull(toUnixTimestamp64Nano(toDateTime64({_COLUMN}, 9, 'UTC')), 0)",
    "Int64",
    f"({_COLUMN} >= fromUnixTimestamp64Nano({{since:Int64}}, 'UTC')"
    f" AND {_COLUMN} < fromUnixTimestamp64Nano({{until:Int64}}, 'UTC') OR {_COLUMN} IS NULL)",
    is_moment=True,
)
_NUMBERS = _Clock(
    f"ifNull(toDecimal128({_COLUMN}, 9), toDecimal128(0, 9))",
    "Decimal(38, 9)",
    "("
    + " OR ".join(
        f"{_COLUMN} BETWEEN intDiv({{since:Int64}}, {unit}) AND intDiv({{until:Int64}}, {unit})"
        for unit in _UNIX_UNITS
    )
    + f" OR {_COLUMN} IS NULL)",
)
_TEXTS = _Clock(
    f"ifNull(toString({_COLUMN}), '')",
    "String",
    f"ifNull(parseDateTime64BestEffortOrNull(toString({_COLUMN}), 9, 'UTC') BETWEEN"
    " fromUnixTimestamp64Nano({since:Int64}, 'UTC') AND fromUnixTimestamp64Nano({until:Int64}, 'UTC'), 1)",
)


def service(source: ClickHouseSource) -> Service:
    """The database of a source.

    Raises:
        SourceError: Neither or both of `table` and `query` are set.
    """
    if (source.table is None) == (source.query is None):
        raise SourceError("traces: name either the table or the query of ClickHouse")

    def pages(client: Any, window: Window) -> Iterator[list[RawRecord]]:
        lines, clock = Lines(source), _clock(client, source)
        for rows in _rows(client, source, clock, window):
            yield [record for row in rows for record in _records(row, source, clock, lines)]

    headers = {"X-ClickHouse-User": source.user}
    if source.password:
        headers["X-ClickHouse-Key"] = source.password
    if source.database:
        headers["X-ClickHouse-Database"] = source.database
    return Service(url=source.url, pages=pages, headers=headers)


class _Row(NamedTuple):
    """A row as JSON, with what it was ordered by."""

    key: str
    name: str
    line: bytes
    value: dict[str, Any]


def _rows(client: Any, source: ClickHouseSource, clock: _Clock, window: Window) -> Iterator[list[_Row]]:
    conditions, values = [], _names(source)
    if window.since and window.until:
        values["since"] = str(nanoseconds(window.since - _MORE))
        values["until"] = str(nanoseconds(window.until + _MORE))
        conditions.append(clock.within)
    name = "toString({id:Identifier})" if source.id_column else "''"
    behind = f"({clock.key}, {name}) > ({{after_key:{clock.type}}}, {{after_name:String}})"
    while True:
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        # Rows of one time and id are not torn apart, so none is lost behind a page, whatever is unique.
        columns = f"*, toString({clock.key}) AS {_KEY}, {name} AS {_NAME}"
        order = f"ORDER BY {clock.key}, {name} LIMIT {source.page_records} WITH TIES"
        query = f"SELECT {columns} FROM {_origin(source)}{where} {order} FORMAT JSONEachRow"  # noqa: S608
        rows = _asked(client, query, values)
        read = [_Row(str(value.pop(_KEY)), value.pop(_NAME) or "", line, value) for line, value in rows]
        # Which of equal rows comes first is left open by the server.
        groups = itertools.groupby(read, key=lambda row: (row.key, row.name))
        yield [row for _, ties in groups for row in sorted(ties, key=lambda row: row.line)]
        if len(read) < source.page_records:
            return
        if "after_key" not in values:
            conditions.append(behind)
        values |= {"after_key": read[-1].key, "after_name": read[-1].name}


def _records(row: _Row, source: ClickHouseSource, clock: _Clock, lines: Lines) -> Iterator[RawRecord]:
    column = str(source.time_column)
    time = row.value.get(column)
    if clock.is_moment and time is not None:
        time = moment(int(row.key))  # as text it would be in the time zone of the server
    name = hashlib.sha256(row.line).hexdigest()[:24]
    if len(row.line) > MAX_RECORD_BYTES:
        yield RawRecord(source.kind, name, None, row.line[:4096], too_large())
    else:
        yield from lines.records(row.value, name, time, key=row.name, columnar=True)


def _clock(client: Any, source: ClickHouseSource) -> _Clock:
    """How the time column is compared, by its type."""
    query = f"SELECT toTypeName({_COLUMN}) AS type FROM {_origin(source)} LIMIT 1 FORMAT JSONEachRow"  # noqa: S608
    types = [value["type"] for _, value in _asked(client, query, _names(source))]
    kind = types[0] if types else "DateTime"
    if "Date" in kind:
        return _MOMENTS
    return _NUMBERS if "Int" in kind or "Float" in kind or "Decimal" in kind else _TEXTS


def _origin(source: ClickHouseSource) -> str:
    if source.query is not None:
        return f"({source.query.strip().rstrip(';')})"
    database, _, _ = str(source.table).rpartition(".")
    return "{database:Identifier}.{table:Identifier}" if database else "{table:Identifier}"


def _names(source: ClickHouseSource) -> dict[str, str]:
    database, _, table = str(source.table).rpartition(".")
    named = {"time": source.time_column, "id": source.id_column}
    if source.table is not None:
        named |= {"table": table, "database": database}
    return {name: value for name, value in named.items() if value}


def _asked(client: Any, query: str, values: dict[str, str]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """(bytes, value) of each row that a query gives."""
    parameters = {f"param_{name}": value.translate(_ESCAPES) for name, value in values.items()}
    # A question by GET can change nothing, and an answer that is held until it is whole has a true status.
    response = client.request(
        "/", method="GET", params={"query": query, "wait_end_of_query": "1", **parameters}
    )
    response.raise_for_status()
    for line in response.content.split(b"\n"):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode(errors="surrogateescape"))
        except ValueError:
            raise SourceUnavailable(
                f"breaks off in an answer: {line[-300:].decode(errors='replace')}"
            ) from None
        if value.keys() == {"exception"}:
            raise SourceUnavailable(f"breaks off in an answer: {value['exception']}")
        yield line, value

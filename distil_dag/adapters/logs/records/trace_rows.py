"""Rows of traces as columns: what is done to a column at once costs a fraction of what each row would."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring as quoted
from typing import Any

import pyarrow as pa

from distil_dag.core.case import Trace

Row = tuple[Any, ...]
"""The values of a row of the table `traces`, in the order of `COLUMNS`."""
Columns = Mapping[str, Sequence[Any]]
"""Name of a column -> its values."""

_TYPES = {
    "latency_ms": pa.float64(),
    "input_tokens": pa.int64(),
    "output_tokens": pa.int64(),
    "cost": pa.float64(),
}
COLUMNS = tuple(Trace(id="", messages=()).row())
SCHEMA = pa.schema([(name, _TYPES.get(name, pa.string())) for name in COLUMNS])

_IN_ORDER = sorted(COLUMNS)
_LINE = f"{{{', '.join(f'{json.dumps(name)}: %s' for name in _IN_ORDER)}}}\n"
# Their values may be None, and their JSON holds no comma.
_NO_WORDS = {*_TYPES, "time"}


def columns_of(rows: Iterable[Row]) -> Columns:
    """Rows, of which there is one at least, by column."""
    return dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))


def digest_lines(columns: Columns) -> bytes:
    """Rows as `run_store.digest` reads them: a line of JSON each, its keys in order."""
    said = (
        json.dumps(columns[name])[1:-1].split(", ") if name in _NO_WORDS else map(quoted, columns[name])
        for name in _IN_ORDER
    )
    return "".join([_LINE % row for row in zip(*said, strict=True)]).encode()


def table_of(columns: Columns, schema: pa.Schema) -> pa.Table:
    """Columns as a table of Arrow."""
    return pa.Table.from_arrays([_array(columns[field.name], field.type) for field in schema], schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    first = values[0]
    if values.count(first) == len(values):
        return pa.repeat(pa.scalar(first, kind), len(values))
    if kind != pa.string():
        return pa.array(values, kind)
    # `pa.array` imports pandas, which nothing here needs.
    column = pa.lib.StringBuilder()
    column.append_values(values)
    return column.finish()

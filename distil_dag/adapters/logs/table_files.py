"""Records of files with columns: CSV, Parquet, Arrow."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from distil_dag.adapters.logs.compression import BrokenArchive
from distil_dag.adapters.logs.file_kinds import Kind, OtherKind, foreign_fields
from distil_dag.adapters.logs.json_files import breaks_off
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.stages.reading.fields import chosen, field_of
from distil_dag.stages.reading.strict_values import MAX_RECORD_BYTES, Unreadable, too_large

_BATCH = 500
_LONGEST_CELL = 2**24


def rows_of_csv(
    file: io.BufferedReader, name: str, delimiter: str, content: frozenset[str]
) -> Iterator[RawRecord]:
    """The rows of a table as text; a cell may hold JSON, with quoted line breaks.

    Args:
        file: the open file.
        name: the file's name.
        delimiter: what stands between columns.
        content: columns of which a log has at least one.

    Raises:
        OtherKind: it has none of these columns.
    """
    number = 0
    csv.field_size_limit(_LONGEST_CELL)
    # Bytes that are no UTF-8 stay visible as such, and cost one row.
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    rows = csv.reader(text, delimiter=delimiter)
    try:
        header = [column.strip() for column in next(rows, [])]
        _check_columns(header, content)
        for row in rows:
            if not row:
                continue
            number += 1
            yield _row(row, header, name, number)
    except (BrokenArchive, csv.Error) as error:
        yield breaks_off(name, f"after row {number}", error)


def rows_of_arrow(
    file: io.BufferedReader, name: str, kind: Kind, needed: set[str], content: frozenset[str], remote: bool
) -> Iterator[RawRecord]:
    """The rows of a Parquet or an Arrow file.

    Args:
        file: the open file.
        name: the file's name.
        kind: which of the formats it has.
        needed: columns to read.
        content: columns of which a log has at least one.
        remote: whether an error of input may come from the network.

    Raises:
        OtherKind: it has none of the columns of a log.
    """
    number = 0
    try:
        for batch in _batches(file, kind, needed, content):
            for value in _rows_of(batch):
                number += 1
                if isinstance(value, Unreadable):
                    yield RawRecord(name, f"row {number}", None, b"", value)
                else:
                    yield RawRecord(name, f"row {number}", value, columnar=True)
    except (pa.ArrowException, OSError) as error:
        # Arrow reports broken bytes as I/O errors too. Only for a local file are the bytes surely broken.
        if isinstance(error, OSError) and remote:
            raise
        yield breaks_off(name, f"after row {number}", error)


def _row(row: list[str], header: list[str], name: str, number: int) -> RawRecord:
    position = f"row {number}"
    if len(row) != len(header):
        said = f"{len(row)} cells under {len(header)} columns"
        return RawRecord(name, position, None, ",".join(row)[:4096], Unreadable("broken CSV", said))
    if sum(map(len, row)) > MAX_RECORD_BYTES:
        return RawRecord(name, position, None, ",".join(row)[:4096], too_large())
    value = {column: _cell(cell) for column, cell in zip(header, row, strict=True) if cell}
    return RawRecord(name, position, value, None)


def _cell(cell: str) -> Any:
    """The text of a cell; a list or an object as Python prints them, and pandas writes them, as a value."""
    if not cell.startswith(("[{'", "{'")):
        return cell
    try:
        return ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return cell


def _batches(
    file: io.BufferedReader, kind: Kind, needed: set[str], content: frozenset[str]
) -> Iterator[pa.RecordBatch]:
    if kind == "parquet":
        table = pq.ParquetFile(file)
        names = table.schema_arrow.names
        _check_columns(names, content)
        yield from table.iter_batches(batch_size=_BATCH, columns=chosen(names, needed))
        return
    reader = pa.ipc.open_stream(file) if kind == "arrow stream" else pa.ipc.open_file(file)
    _check_columns(reader.schema.names, content)
    columns = chosen(reader.schema.names, needed)
    batches = reader if kind == "arrow stream" else map(reader.get_batch, range(reader.num_record_batches))
    for batch in batches:
        for start in range(0, batch.num_rows, _BATCH):
            yield batch.select(columns).slice(start, _BATCH)


def _check_columns(names: list[str], content: frozenset[str]) -> None:
    if content.isdisjoint(map(field_of, names)):
        raise OtherKind(foreign_fields("columns", names))


def _rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | Unreadable]:
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):
        # One value that Python can't represent (text that is no UTF-8, a far date): find its row.
        for place in range(batch.num_rows):
            try:
                yield batch.slice(place, 1).to_pylist()[0]
            except UnicodeDecodeError:
                yield Unreadable("not UTF-8 text")
            except (ValueError, OverflowError) as error:
                yield Unreadable("wrong type", str(error))

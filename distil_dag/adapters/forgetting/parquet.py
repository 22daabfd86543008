"""Parquet files without rows that were forgotten."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

# Of so many rows at a time Python objects are made.
_AT_ONCE = 2000


class Cleaned(NamedTuple):
    """A file after cleaning.

    Attributes:
        data: Its new content; None where nothing of it was forgotten.
        removed: Rows, lines or texts that went.
    """

    data: bytes | None = None
    removed: int = 0


def without_rows(data: bytes, is_forgotten: Callable[[Mapping[str, Any]], bool]) -> Cleaned:
    """A Parquet file without some of its rows, with the same columns.

    Args:
        data: The file.
        is_forgotten: Tells a row that has to go.

    Raises:
        ValueError: It is no Parquet file.
    """
    table = pq.ParquetFile(io.BytesIO(data)).read()
    stays = [
        not is_forgotten(row)
        for batch in table.to_batches(max_chunksize=_AT_ONCE)
        for row in batch.to_pylist()
    ]
    removed = stays.count(False)
    if not removed:
        return Cleaned()
    buffer = io.BytesIO()
    pq.write_table(table.filter(pa.array(stays, pa.bool_())), buffer)
    return Cleaned(buffer.getvalue(), removed)

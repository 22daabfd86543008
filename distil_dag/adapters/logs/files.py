"""A log in JSONL or Parquet files, listed through dlt's `filesystem`, read record by record.

Files are read here and not by dlt's readers, because one broken line must not lose the others. Lines and
batches are streamed. Gzip is recognised by its first bytes.
"""

from __future__ import annotations

import glob
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from distil_dag.adapters.logs.intake import RawRecord
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable, expand, masked, unexpanded
from distil_dag.core.sources import FileSource
from distil_dag.stages.reading.fields import FIELDS
from distil_dag.stages.reading.strict_values import MAX_RECORD_BYTES, Unreadable, parse_json, too_large

_SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_MAGIC = re.compile(r"[*?\[]")
_BATCH = 500
_PAGE_RECORDS, _PAGE_BYTES = 1000, 2**24
_BUFFER = 2**20


class FileLog:
    """The files that a path names: one file, all files of a folder, or those of a glob."""

    def __init__(self, source: FileSource, folder: str = "") -> None:
        """Resolve the path.

        Args:
            source: Where the files are, and which columns they have.
            folder: Where a relative path starts.

        Raises:
            SourceError: The path can't be used.
        """
        self._source = source
        path = expand(source.path, "traces.path")
        if not _SCHEME.match(path):
            path = str(Path(folder).absolute() / Path(path).expanduser())
        self._path = path
        self._base, self._glob, self._every_file = _split(path)
        theirs = [source.columns.get(name, name) for name in FIELDS]
        named = [source.id_column or "id", source.time_column, *source.where, *theirs]
        self._needed = {name for name in named if name}

    def resource(self) -> Any:
        """A dlt resource of pages of records, of all files in the order of their paths.

        Raises:
            SourceError: There is no file.
        """
        import dlt
        from dlt.sources.filesystem import filesystem

        with self._told():
            files = list(filesystem(bucket_url=self._base, file_glob=self._glob))
        files = [item for item in files if self._every_file or _has_suffix(item["relative_path"])]
        if not files:
            raise SourceError(f"traces.path: no JSONL or Parquet file at {masked(self._source.path)}")
        return dlt.resource(self._pages_of(files), name="files")

    def records(self, page: Iterable[RawRecord]) -> Iterable[RawRecord]:
        """The records of a page, which are raw records already."""
        return page

    def _pages_of(self, files: list[Any]) -> Iterator[list[RawRecord]]:
        page: list[RawRecord] = []
        size = 0
        for record in self._records_of(files):
            page.append(record)
            size += len(record.raw or b"")
            if len(page) == _PAGE_RECORDS or size > _PAGE_BYTES:
                yield page
                page, size = [], 0
        if page:
            yield page

    def _records_of(self, files: list[Any]) -> Iterator[RawRecord]:
        for item in sorted(files, key=lambda item: item["relative_path"]):
            name = item["relative_path"]
            with self._told(name), _opened(item) as file:
                magic = file.peek(4)[:4]
                if magic == b"PAR1":
                    yield from self._rows(file, name)
                elif magic.startswith(b"\x1f\x8b"):
                    # No larger buffer around it: the last readable records of a broken archive would be lost.
                    yield from _lines(gzip.GzipFile(fileobj=file), name)
                else:
                    yield from _lines(file, name)

    @contextmanager
    def _told(self, file: str = "") -> Iterator[None]:
        # A file system's errors, and their causes, may quote a path that holds a secret.
        try:
            yield
        except Exception as error:
            path = self._source.path
            where = f"{masked(path)} ({file})" if file else masked(path)
            said = unexpanded(f"{where} can't be read: {type(error).__name__}: {error}", path)
            raise SourceUnavailable(f"traces.path: {said}") from None

    def _rows(self, file: io.BufferedReader, name: str) -> Iterator[RawRecord]:
        number = 0
        try:
            table = pq.ParquetFile(file)
            columns = [column for column in table.schema_arrow.names if column in self._needed]
            for batch in table.iter_batches(batch_size=_BATCH, columns=columns):
                for value in _rows_of(batch):
                    number += 1
                    if isinstance(value, Unreadable):
                        yield RawRecord(name, f"row {number}", None, b"", value)
                    else:
                        yield RawRecord(name, f"row {number}", value, columnar=True)
        except (pa.ArrowException, OSError) as error:
            # Arrow reports broken bytes as I/O errors too. Only for a local file are the bytes surely broken.
            if isinstance(error, OSError) and _SCHEME.match(self._path):
                raise
            yield _breaks_off(name, f"after row {number}", error)


def _split(path: str) -> tuple[str, str, bool]:
    """(folder, glob in it, whether files of any name are meant) for a file, a folder or a glob."""
    scheme = _SCHEME.match(path)
    local = scheme is None or scheme[0] == "file://"
    bare = path.removeprefix("file://") if local else path
    if local and Path(bare).is_dir():
        return bare, "**/*", False
    if local and Path(bare).is_file():
        return str(Path(bare).parent), glob.escape(Path(bare).name), True
    magic = _MAGIC.search(bare)
    if magic:
        start = bare.rindex("/", 0, magic.start())
        return bare[:start] or "/", bare[start + 1 :], True
    if _has_suffix(bare):
        folder, _, name = bare.rpartition("/")
        return folder, name, True
    return bare.rstrip("/"), "**/*", False


def _has_suffix(path: str) -> bool:
    return path.removesuffix(".gz").endswith(_SUFFIXES)


def _opened(item: Any) -> Any:
    if "file" in item.fsspec.protocol:
        return Path(item.local_file_path).open("rb", buffering=_BUFFER)
    return io.BufferedReader(item.open("rb", compression="disable"), _BUFFER)


def _lines(file: io.BufferedReader | gzip.GzipFile, name: str) -> Iterator[RawRecord]:
    number = 0
    try:
        while line := file.readline(MAX_RECORD_BYTES + 1):
            number += 1
            if len(line) > MAX_RECORD_BYTES and not line.endswith(b"\n"):
                start = line[:4096]
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_RECORD_BYTES)
                yield RawRecord(name, f"line {number}", None, start, too_large())
            elif line := line.strip():
                yield _record(line, name, number)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield _breaks_off(name, f"after line {number}", error)


def _record(line: bytes, name: str, number: int) -> RawRecord:
    try:
        return RawRecord(name, f"line {number}", parse_json(line), line)
    except Unreadable as problem:
        return RawRecord(name, f"line {number}", None, line, problem)


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


def _breaks_off(name: str, position: str, error: Exception) -> RawRecord:
    problem = Unreadable("the file breaks off", f"{type(error).__name__}: {error}")
    return RawRecord(name, position, None, b"", problem)

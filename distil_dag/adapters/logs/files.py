"""A log in files, listed through dlt's `filesystem`, read record by record.

Files are read here and not by dlt's readers, because one broken record must not lose the others. All are
streamed. What a file is shows in its first bytes, and in its name only where these leave it open.
"""

from __future__ import annotations

import glob
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distil_dag.adapters.logs.compression import BUFFER, decompressed, with_head
from distil_dag.adapters.logs.file_kinds import (
    COMPRESSED,
    SUFFIXES,
    OtherKind,
    delimiter_of,
    foreign_fields,
    kind_of,
)
from distil_dag.adapters.logs.json_files import lines_of, records_of_document
from distil_dag.adapters.logs.otlp_files import framing_of, records_of_protobuf
from distil_dag.adapters.logs.records.raw import Line, RawRecord, records_of
from distil_dag.adapters.logs.table_files import rows_of_arrow, rows_of_csv
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable, expand, masked, unexpanded
from distil_dag.core.run_key import RunKey
from distil_dag.core.sources import FileSource
from distil_dag.stages.reading.exports.chats import MARKS as CHATS
from distil_dag.stages.reading.fields import CONTENT, FIELDS, RECORDED, field_of
from distil_dag.stages.reading.formats.found_bodies import found_pair
from distil_dag.stages.reading.strict_values import Unreadable

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_MAGIC = re.compile(r"[*?\[]")
_PAGE_RECORDS, _PAGE_BYTES = 1000, 2**24


class FileLog:
    """The files that a path names: one file, all files of a folder, or those of a glob."""

    def __init__(self, source: FileSource, folder: str = "", also: Iterable[str] = ()) -> None:
        """Resolve the path.

        Args:
            source: Where the files are, and which columns they have.
            folder: Where a relative path starts.
            also: Columns to read besides those that a run needs.

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
        named = [source.id_column or "id", source.time_column, *source.where, *theirs, *also]
        self._needed = {name for name in named if name}
        self._content = frozenset(source.columns.get(name, name) for name in (*CONTENT, *RECORDED))

    def resource(self) -> Any:
        """A dlt resource of the records, page by page; as :meth:`pages`."""
        import dlt

        return dlt.resource(self.pages(), name="files")

    def pages(self, key: RunKey | None = None) -> Iterator[list[RawRecord | Line]]:
        """Pages of records and of unparsed lines, of all files in the order of their paths.

        Args:
            key: of the run; a file has no window.

        Raises:
            SourceError: There is no file.
        """
        from dlt.sources.filesystem import filesystem

        with self._told():
            files = list(filesystem(bucket_url=self._base, file_glob=self._glob))
        files = [item for item in files if self._every_file or _has_suffix(item["relative_path"])]
        if not files:
            raise SourceError(
                f"traces.path: no file of JSON, CSV, Parquet or Arrow at {masked(self._source.path)}"
            )
        return self._pages_of(files)

    def records(self, page: Iterable[RawRecord | Line]) -> Iterable[RawRecord]:
        """The records of a page."""
        return records_of(page)

    def _pages_of(self, files: list[Any]) -> Iterator[list[RawRecord | Line]]:
        page: list[RawRecord | Line] = []
        size = 0
        for record in self._records_of(files):
            page.append(record)
            size += len(record.raw or b"")
            if len(page) == _PAGE_RECORDS or size > _PAGE_BYTES:
                yield page
                page, size = [], 0
        if page:
            yield page

    def _records_of(self, files: list[Any]) -> Iterator[RawRecord | Line]:
        for item in sorted(files, key=lambda item: item["relative_path"]):
            name = item["relative_path"]
            try:
                with self._told(name), _opened(item) as file:
                    yield from self._records_in(file, name)
            except OtherKind as other:
                if len(files) == 1:
                    path = masked(self._source.path)
                    raise SourceError(f"traces.path: {path} ({name}) {other}") from None
                yield RawRecord(
                    name, "the file", None, b"", Unreadable("a file of another kind", f"it {other}")
                )

    def _records_in(self, file: io.BufferedReader, name: str) -> Iterator[RawRecord | Line]:
        content, compression = decompressed(file)
        if compression or not isinstance(file.raw, io.FileIO):
            # One read of such a stream may give less than there is.
            head, content = with_head(content)
        else:
            head = content.peek(1)
        kind = kind_of(head, len(head) < BUFFER, name, self._content)
        if kind in ("lines", "empty"):
            yield from self._known(lines_of(content, name))
        elif kind == "document":
            yield from self._known(records_of_document(content, name))
        elif kind == "csv":
            yield from rows_of_csv(content, name, delimiter_of(head, name), self._content)
        elif kind == "protobuf":
            yield from records_of_protobuf(content, name, framing_of(head) or "message")
        elif compression and kind != "arrow stream":
            raise OtherKind(f"holds a file of columns inside {compression}; decompress it")
        else:
            remote = _SCHEME.match(self._path) is not None
            # Only the file itself can be read from its end, as these formats need.
            source = content if kind == "arrow stream" else file
            yield from rows_of_arrow(source, name, kind, self._needed, self._content, remote)

    def _known(self, records: Iterator[RawRecord | Line]) -> Iterator[RawRecord | Line]:
        """The records; OtherKind if the first of them have no field that is read."""
        first: list[RawRecord | Line] = []
        foreign: list[Any] = []
        size = 0
        for record in records:
            first.append(record)
            size += len(record.raw or b"")
            values = [one.value for one in records_of([record])]
            if any(self._is_known(value) for value in values):
                break
            foreign += values
            if len(foreign) >= _PAGE_RECORDS or size > _PAGE_BYTES:
                raise OtherKind(foreign_fields("fields", foreign[0]))
        else:
            if len(foreign) > 1:
                raise OtherKind(foreign_fields("fields", foreign[0]))
        yield from first
        yield from records

    def _is_known(self, value: Any) -> bool:
        """Whether a value has a field that is read, or can have none."""
        if not isinstance(value, dict) or not self._content.isdisjoint(map(field_of, value)):
            return True
        return not CHATS.isdisjoint(value) or found_pair(value) is not None

    @contextmanager
    def _told(self, file: str = "") -> Iterator[None]:
        # A file system's errors, and their causes, may quote a path that holds a secret.
        try:
            yield
        except (OtherKind, SourceError):
            raise
        except Exception as error:
            path = self._source.path
            where = f"{masked(path)} ({file})" if file else masked(path)
            said = unexpanded(f"{where} can't be read: {type(error).__name__}: {error}", path)
            raise SourceUnavailable(f"traces.path: {said}") from None


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
    for suffix in COMPRESSED:
        path = path.removesuffix(suffix)
    return path.endswith(SUFFIXES)


def _opened(item: Any) -> Any:
    if "file" in item.fsspec.protocol:
        return Path(item.local_file_path).open("rb", buffering=BUFFER)
    return io.BufferedReader(item.open("rb", compression="disable"), BUFFER)

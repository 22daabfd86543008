"""Records of JSON files: one a line, or many in a document."""

from __future__ import annotations

import io
from collections.abc import Iterator

from distil_dag.adapters.logs.compression import BrokenArchive
from distil_dag.adapters.logs.records.raw import Line, RawRecord
from distil_dag.stages.reading.json_documents import is_envelope, read_document
from distil_dag.stages.reading.strict_values import MAX_RECORD_BYTES, Unreadable, too_large

_CHUNK = 2**18


def lines_of(file: io.BufferedReader, name: str) -> Iterator[RawRecord | Line]:
    """The lines of a file of JSON lines, unparsed; records where a line can't be read or held at once."""
    number = 0
    try:
        while line := file.readline(MAX_RECORD_BYTES + 1):
            number += 1
            if len(line) > MAX_RECORD_BYTES and not line.endswith(b"\n"):
                if is_envelope(line):
                    yield from _spans(line, file, name, number)
                    continue
                start = line[:4096]
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_RECORD_BYTES)
                yield RawRecord(name, f"line {number}", None, start, too_large())
            elif line := line.strip():
                yield Line(name, number, line)
    except BrokenArchive as error:
        yield breaks_off(name, f"after line {number}", error)


def records_of_document(file: io.BufferedReader, name: str) -> Iterator[RawRecord]:
    """The records of a document that holds many, by their number in it."""
    number = 0
    try:
        for element in read_document(file.read1):
            number = element.number
            yield RawRecord(name, f"item {number}", element.value, element.raw, element.problem)
    except BrokenArchive as error:
        yield breaks_off(name, f"after item {number}", error)


def breaks_off(name: str, position: str, error: Exception) -> RawRecord:
    """A record that says where a file breaks off."""
    said = str(error) if isinstance(error, BrokenArchive) else f"{type(error).__name__}: {error}"
    return RawRecord(name, position, None, b"", Unreadable("the file breaks off", said))


def _spans(start: bytes, file: io.BufferedReader, name: str, number: int) -> Iterator[RawRecord]:
    """The records of a line that is too long to be held in memory."""
    chunks = _chunks(start, file)
    for element in read_document(lambda _size: next(chunks, b"")):
        position = f"line {number}, item {element.number}"
        yield RawRecord(name, position, element.value, element.raw, element.problem)
    for _ in chunks:
        pass  # the next line starts behind this one, however it ends


def _chunks(start: bytes, file: io.BufferedReader) -> Iterator[bytes]:
    yield start
    while not start.endswith(b"\n") and (start := file.readline(_CHUNK)):
        yield start

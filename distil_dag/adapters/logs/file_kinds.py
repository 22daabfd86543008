"""What kind of file a log is, told by its first bytes; and what to do with those that are no log."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable
from typing import Literal

from distil_dag.adapters.logs.otlp_files import framing_of
from distil_dag.stages.reading.fields import CONTENT
from distil_dag.stages.reading.json_documents import is_document
from distil_dag.stages.reading.redaction.excerpts import excerpt

Kind = Literal["lines", "document", "csv", "parquet", "arrow file", "arrow stream", "protobuf", "empty"]

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".feather", ".pb", ".binpb")
COMPRESSED = (".gz", ".zst", ".zstd", ".bz2", ".xz")
_JSON_LINES = "export it as JSON lines, one record a line, or as CSV or Parquet"
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    (b"PK\x05\x06", "an empty zip archive", "unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Office file, such as .xls", "save the sheet as CSV"),
    (b"SQLite format 3\x00", "an SQLite database", "read it by `kind: sql` with a URL sqlite:///PATH"),
    (b"%PDF", "a PDF document", _JSON_LINES),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"Obj\x01", "an Avro file", _JSON_LINES),
    (b"ORC", "an ORC file", _JSON_LINES),
    (b"FEA1", "a Feather file of version 1", "write it anew as Parquet"),
    (b"\x89HDF", "an HDF5 file", _JSON_LINES),
    (b"\x93NUMPY", "a NumPy array", _JSON_LINES),
    (b"\x80\x04\x95", "a Python pickle", _JSON_LINES),
    (b"\x80\x05\x95", "a Python pickle", _JSON_LINES),
    (b"GGUF", "a GGUF model", "name the log of the agent"),
    (b"\x89PNG", "a picture", "name the log of the agent"),
    (b"\xff\xd8\xff", "a picture", "name the log of the agent"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8"),
)
_TAR_SIGN = slice(257, 262)
_MARKUP = re.compile(rb"<(?:!doctype|html|\?xml|[a-z][\w:-]*[\s>])", re.IGNORECASE)
_BOM = b"\xef\xbb\xbf"
_SAMPLE_LINES = 50


class OtherKind(Exception):
    """A file that is no log: the message says what it is, and what to do."""


def kind_of(head: bytes, whole: bool, name: str, columns: frozenset[str]) -> Kind:
    """The kind of a file.

    Args:
        head: its first bytes.
        whole: whether these are all.
        name: its name, by which CSV is told.
        columns: names of columns that a log may have.

    Raises:
        OtherKind: it is no log.
    """
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "arrow file"
    if head.startswith(b"\xff\xff\xff\xff"):
        return "arrow stream"
    for magic, what, advice in _OTHERS:
        if head.startswith(magic):
            raise OtherKind(f"is {what}; {advice}")
    if head[_TAR_SIGN] == b"ustar":
        raise OtherKind("is a tar archive; unpack it")
    text = head.removeprefix(_BOM).lstrip()
    if not text:
        return "empty"
    if framing_of(head):
        return "protobuf"
    if _is_table(text, name, columns):
        return "csv"
    if text[:1] in (b"{", b"["):
        return "document" if is_document(head, whole) else "lines"
    if _MARKUP.match(text):
        raise OtherKind(f"is HTML or XML; {_JSON_LINES}")
    lines = [line for line in text.split(b"\n")[:_SAMPLE_LINES] if line.strip()]
    if any(line.lstrip()[:1] in (b"{", b"[") for line in lines):
        return "document" if text[:1] == b"\x1e" else "lines"
    raise OtherKind(f"is no JSON; {_JSON_LINES}")


def foreign_fields(what: str, names: Iterable[str]) -> str:
    """What to say of records without any field that is read; `what` is what their fields are called."""
    # Without a header, the first row of a table is somebody's data.
    has = excerpt(", ".join(map(str, itertools.islice(names, 20)))) or "none"
    return f"has the {what} {has}; none is one of {', '.join(CONTENT)}. Name them in traces.columns"


def delimiter_of(head: bytes, name: str) -> str:
    """The character between the columns of a table."""
    if ".tsv" in name.lower():
        return "\t"
    line = _first_line(head.removeprefix(_BOM)).decode(errors="replace")
    return max(",;\t|", key=lambda sign: len(_columns(line, sign)))


def _is_table(text: bytes, name: str, columns: frozenset[str]) -> bool:
    lowered = name.lower()
    for suffix in COMPRESSED:
        lowered = lowered.removesuffix(suffix)
    if lowered.endswith((".csv", ".tsv")):
        return True
    if text[:1] in (b"{", b"["):
        return False
    line = _first_line(text).decode(errors="replace")
    return any(len(found := _columns(line, sign)) > 1 and not columns.isdisjoint(found) for sign in ",;\t|")


def _columns(line: str, sign: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=sign), [])
    except csv.Error:
        return []


def _first_line(text: bytes) -> bytes:
    return text.split(b"\n", 1)[0].rstrip(b"\r")

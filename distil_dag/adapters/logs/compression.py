"""Compressed files, recognised by their first bytes and read as a stream."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from typing import Any, BinaryIO

import pyarrow as pa

BUFFER = 2**20
_CHUNK = 2**16
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}


class BrokenArchive(Exception):
    """Compressed bytes that break off, or are none."""


def decompressed(file: io.BufferedReader) -> tuple[io.BufferedReader, str]:
    """What a file holds behind its compression.

    Args:
        file: the open file.

    Returns:
        Its content, and the name of the compression; the file itself and no name where there is none. Where
        the bytes are broken, reading the content ends in a `BrokenArchive`.
    """
    head = file.peek(6)[:6]
    name = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")
    if not name:
        return file, ""
    # A buffer that is filled by single reads loses no record in front of a broken place.
    return io.BufferedReader(_Content(_opened(file, name)), BUFFER), name


def with_head(file: io.BufferedReader) -> tuple[bytes, io.BufferedReader]:
    """The first bytes of a stream, as many as a buffer holds, and the whole stream again."""
    head, error = b"", None
    try:
        while len(head) < BUFFER and (chunk := file.read1(BUFFER - len(head))):
            head += chunk
    except BrokenArchive as broken:
        error = broken
    return head, io.BufferedReader(_Ahead(head, file, error), BUFFER)


def _opened(file: BinaryIO, name: str) -> Any:
    if name == "gzip":
        return gzip.GzipFile(fileobj=file)
    if name == "bz2":
        return bz2.BZ2File(file)
    return lzma.LZMAFile(file) if name == "xz" else pa.CompressedInputStream(pa.PythonFile(file), "zstd")


class _Content(io.RawIOBase):
    def __init__(self, content: Any) -> None:
        self._content = content
        self._read = content.read if isinstance(content, pa.NativeFile) else content.read1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            chunk = self._read(min(len(buffer), _CHUNK))
        except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, pa.ArrowException) as error:
            raise BrokenArchive(f"{type(error).__name__}: {error}") from error
        except OSError as error:
            # Arrow and bz2 report broken bytes so; an error of the file system has a number.
            if error.errno is not None:
                raise
            raise BrokenArchive(f"{type(error).__name__}: {error}") from error
        buffer[: len(chunk)] = chunk
        return len(chunk)


class _Ahead(io.RawIOBase):
    """A stream whose first bytes have been read; an error that came behind them comes there again."""

    def __init__(self, head: bytes, rest: io.BufferedReader, error: BrokenArchive | None) -> None:
        self._head = head
        self._rest = rest
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._head and self._error:
            raise self._error
        chunk = self._head[: len(buffer)] or self._rest.read1(len(buffer))
        self._head = self._head[len(chunk) :]
        buffer[: len(chunk)] = chunk
        return len(chunk)

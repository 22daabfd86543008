"""Exchanges in files of JSON lines, on any file system that universal-pathlib knows.

A folder of this machine gets files that are appended to. Object stores can't append: there each flush is an
object.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from upath import UPath

from distil_dag.adapters.system.environment import SourceError, expand, masked
from distil_dag.stages.serving.exchanges.rows import Row, line_of

_ONLY_ITS_OWNER = 0o600


class _Names:
    """Names of files that no other process gives, in the order of time."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(4)
        self._given = 0

    def next(self) -> str:
        self._given += 1
        return f"exchanges-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{self._process}-{self._given:06d}.jsonl"


class FolderStore:
    """A folder of this machine, with a file for each process, and a new one each day and after 64 MiB."""

    batch, linger = 200, 0.1

    def __init__(self, folder: Path, largest: int = 2**26) -> None:
        """Make the folder, if it is missing.

        Args:
            folder: The folder.
            largest: Bytes after which a new file is begun.

        Raises:
            OSError: It can't be made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.name = str(folder)
        self._folder, self._largest = folder, largest
        self._names = _Names()
        self._file: int | None = None
        self._size = 0
        self._day = ""

    def write(self, rows: Sequence[Row]) -> int:
        """As :meth:`Store.write`; of an attempt that failed half way nothing stays."""
        data = "".join(map(line_of, rows)).encode()
        day = f"{datetime.now(UTC):%Y%m%d}"
        if self._size > self._largest or day != self._day:
            self.close()
        if self._file is None:
            path = self._folder / self._names.next()
            self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY, _ONLY_ITS_OWNER)
            self._size, self._day = 0, day
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)
        return len(rows)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class ObjectStore:
    """A folder of a remote file system, with an object for each flush."""

    # Many small objects are slow to read again, so rows are gathered for longer.
    batch = 1000

    def __init__(self, folder: UPath, name: str, linger: float = 10.0) -> None:
        """Nothing is asked yet.

        Args:
            folder: The folder.
            name: Where it is, without secrets.
            linger: Seconds after which an object is written.
        """
        self.name, self.linger = name, linger
        self._folder = folder
        self._names = _Names()
        self._next = ""

    def write(self, rows: Sequence[Row]) -> int:
        """As :meth:`Store.write`; a further attempt writes the same object."""
        self._next = self._next or self._names.next()
        (self._folder / self._next).write_bytes("".join(map(line_of, rows)).encode())
        self._next = ""
        return len(rows)

    def close(self) -> None:
        """Nothing is held."""


def open_folder(path: str, setting: str) -> FolderStore | ObjectStore:
    """The store at a path or URL.

    Args:
        path: A folder, or a URL such as `s3://bucket/prefix`; `${NAME}` is read from the environment.
        setting: Where it is set, for errors.

    Raises:
        SourceError: It can't be used.
    """
    try:
        folder = UPath(expand(path, setting))
        if folder.protocol in ("", "file", "local"):
            return FolderStore(Path(folder.path))
        folder.mkdir(parents=True, exist_ok=True)
        return ObjectStore(folder, masked(path))
    except SourceError:
        raise
    except Exception as error:
        # A file system's error may quote an address that holds a secret.
        raise SourceError(f"{setting}: {masked(path)} can't be used ({type(error).__name__})") from None

"""Where runs store what they make: one folder for each run, and in it one for each asset.

A table is `<root>/<run>/<asset>/<table>.parquet`, a report `<root>/<run>/<asset>/report.json`. Whole folders
hold a checkpoint or GGUF files. A folder whose name begins with a dot is no run. The root is a local folder
or any URL that universal-pathlib reads. Everything is written under a temporary name and renamed, so a
reader never finds half a file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError
from upath import UPath

from distil_dag.adapters.system.environment import store_without_secret
from distil_dag.core.files import whole, write_whole
from distil_dag.core.tables import CaseTable, CaseType, Table

ReportType = TypeVar("ReportType", bound=BaseModel)

APART = ".forgotten"
"""Stands for a run where something of the whole store is kept; no run has this key."""


class RunStore:
    """Tables, reports and folders of all runs under one root.

    Args:
        root: A local folder, or a URL such as `s3://bucket/prefix`.

    Raises:
        ValueError: The URL holds a secret.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        store_without_secret(str(root))
        self.root = UPath(root)

    @property
    def is_local(self) -> bool:
        """Whether the root is a folder of this machine."""
        return self.root.protocol in ("", "file")

    def folder(self, run: str, asset: str) -> UPath:
        """The folder of one asset of one run; it need not exist."""
        return self.root / run / asset

    def runs(self) -> list[str]:
        """Keys of all runs that have written anything, sorted."""
        if not self.root.exists():
            return []
        return sorted(path.name for path in self.root.iterdir() if path.name[0] != "." and path.is_dir())

    def has(self, run: str) -> bool:
        """Whether a run of this key has written anything; :meth:`runs` would list all to tell."""
        return run not in ("", ".", "..", APART) and "/" not in run and bool((self.root / run).exists())

    def write_bytes(self, run: str, asset: str, name: str, data: bytes) -> UPath:
        """Write one file atomically.

        Args:
            run: Key of the run.
            asset: Name of the asset.
            name: Name of the file.
            data: Its content.

        Returns:
            The file's path.
        """
        target = self.folder(run, asset) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.is_local:
            write_whole(Path(target.path), data)
        else:
            target.write_bytes(data)  # an object store shows an object only when it is complete
        return target

    def read_bytes(self, run: str, asset: str, name: str) -> bytes:
        """The content of one file.

        Args:
            run: Key of the run.
            asset: Name of the asset.
            name: Name of the file.

        Raises:
            FileNotFoundError: The file is missing; the message names the asset to materialize first.
        """
        path = self.folder(run, asset) / name
        if not path.exists():
            raise _missing(path, run, asset)
        return bytes(path.read_bytes())

    def write_report(self, run: str, asset: str, report: BaseModel, name: str = "report") -> UPath:
        """Store a stage's report, or the frozen task, as JSON beside the asset's tables.

        Args:
            run: Key of the run.
            asset: Name of the asset.
            report: What to store.
            name: Name of the file without its suffix.

        Returns:
            The file's path.
        """
        return self.write_bytes(run, asset, f"{name}.json", report.model_dump_json(indent=2).encode())

    def read_report(self, run: str, asset: str, cls: type[ReportType], name: str = "report") -> ReportType:
        """The report that :meth:`write_report` stored.

        Args:
            run: Key of the run.
            asset: Name of the asset.
            cls: The report's class.
            name: Name of the file without its suffix.

        Raises:
            FileNotFoundError: The report is missing; the message names the asset to materialize first.
            ValueError: The file is broken, or was written by a release with other fields.
        """
        data = self.read_bytes(run, asset, f"{name}.json")
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise _unreadable(self.folder(run, asset) / f"{name}.json", run, asset, error) from error

    def write_rows(self, run: str, table: Table, rows: Sequence[dict[str, Any]]) -> str:
        """Write flat rows as a Parquet file.

        Args:
            run: Key of the run.
            table: The table, with its asset.
            rows: Column -> value, for each row.

        Returns:
            The content digest of the rows (`sha256:…`).
        """
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(rows)), buffer)
        self.write_bytes(run, table.asset, f"{table.name}.parquet", buffer.getvalue())
        return digest(rows)

    def read_table(self, run: str, table: Table) -> pa.Table:
        """A table as it was written, from one Parquet file or a folder of them.

        Args:
            run: Key of the run.
            table: The table, with its asset.

        Raises:
            FileNotFoundError: The table is missing; the message names the asset to materialize first.
            ValueError: A file of it is broken.
        """
        folder = self.folder(run, table.asset)
        files = [folder / f"{table.name}.parquet"]
        if not files[0].exists():
            files = sorted((folder / table.name).glob("*.parquet"))
        if not files:
            raise _missing(folder / table.name, run, table.asset)
        parts = []
        for path in files:
            with path.open("rb") as file:
                try:
                    parts.append(pq.ParquetFile(file).read())
                except pa.ArrowInvalid as error:
                    raise _unreadable(path, run, table.asset, error) from error
        return pa.concat_tables(parts, promote_options="permissive")

    def read_rows(self, run: str, table: Table) -> list[dict[str, Any]]:
        """All rows of a table, as dicts.

        Args:
            run: Key of the run.
            table: The table, with its asset.

        Raises:
            FileNotFoundError: The table is missing; the message names the asset to materialize first.
        """
        rows: list[dict[str, Any]] = self.read_table(run, table).to_pylist()
        return rows

    def write_cases(self, run: str, table: CaseTable[CaseType], cases: Iterable[CaseType]) -> str:
        """Write cases as flat rows.

        Args:
            run: Key of the run.
            table: The table, with its asset and row class.
            cases: The cases.

        Returns:
            The content digest of the rows (`sha256:…`).
        """
        return self.write_rows(run, table, [case.row() for case in cases])

    def read_cases(self, run: str, table: CaseTable[CaseType]) -> list[CaseType]:
        """The cases that :meth:`write_cases` wrote.

        Args:
            run: Key of the run.
            table: The table, with its asset and row class.

        Raises:
            FileNotFoundError: The table is missing; the message names the asset to materialize first.
        """
        return [table.row.from_row(row) for row in self.read_rows(run, table)]

    @contextmanager
    def new_folder(self, run: str, asset: str, name: str) -> Iterator[Path]:
        """Fill a local folder that becomes `<asset>/<name>` on a clean exit, replacing any earlier one.

        Folders that a killed attempt left are deleted first, since they may hold gigabytes.

        Args:
            run: Key of the run.
            asset: Name of the asset.
            name: Name of the folder.

        Yields:
            The empty folder to fill.
        """
        target = self.folder(run, asset) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self.is_local:
            with tempfile.TemporaryDirectory() as temporary:
                filled = Path(temporary) / name
                filled.mkdir()
                yield filled
                _replace(target, filled)
            return
        for left in Path(target.parent.path).glob(f".tmp-{name}-*"):
            shutil.rmtree(left)
        with whole(Path(target.path)) as filled:
            filled.mkdir()
            yield filled

    @contextmanager
    def local_folder(self, run: str, asset: str, name: str) -> Iterator[Path]:
        """The folder `<asset>/<name>` as a local path, for the length of a `with` block.

        Args:
            run: Key of the run.
            asset: Name of the asset.
            name: Name of the folder.

        Yields:
            The folder itself, or a temporary copy of a remote one.

        Raises:
            FileNotFoundError: The folder is missing; the message names the asset to materialize first.
        """
        source = self.folder(run, asset) / name
        if not source.exists():
            raise _missing(source, run, asset)
        if self.is_local:
            yield Path(source.path)
            return
        with tempfile.TemporaryDirectory() as temporary:
            for path in source.rglob("*"):
                if path.is_file():
                    copy = Path(temporary) / path.relative_to(source).as_posix()
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.write_bytes(path.read_bytes())
            yield Path(temporary)


def _missing(path: UPath, run: str, asset: str) -> FileNotFoundError:
    """The error for what an asset would have written, with the ways to make it."""
    go_on = f"; `distil-dag run {run.partition('.')[0]} --run {run}` does what it lacks" if "." in run else ""
    return FileNotFoundError(f"materialize `{asset}` of partition {run!r} first: {path} is missing{go_on}")


def _unreadable(path: UPath, run: str, asset: str, error: Exception) -> ValueError:
    """The error for what is broken, or was written by a release with other fields."""
    said = str(error).splitlines()
    return ValueError(
        f"materialize `{asset}` of partition {run!r} again: {path} is broken or was written by another "
        f"release ({'; '.join(line.strip() for line in said[:3])})"
    )


def _replace(target: UPath, filled: Path) -> None:
    """Make a folder of an object store, which can't be renamed, hold what `filled` holds.

    The old files are removed when the new ones are there, so a reader finds one model at any time. An index
    of shards sorts after its shards. So it is written after its own shards and removed before the old ones.
    """
    new = {path.relative_to(filled).as_posix(): path for path in filled.rglob("*") if path.is_file()}
    for name in sorted(new):
        (target / name).write_bytes(new[name].read_bytes())
    standing = {path.relative_to(target).as_posix(): path for path in target.rglob("*") if path.is_file()}
    for name in sorted(standing.keys() - new.keys(), reverse=True):
        standing[name].unlink()


def digest(rows: Iterable[Mapping[Any, Any]]) -> str:
    """Content hash of rows, in their order: the data version of a table."""
    total = hashlib.sha256()
    for row in rows:
        total.update(json.dumps(row, sort_keys=True, ensure_ascii=False, default=str).encode() + b"\n")
    return "sha256:" + total.hexdigest()


def weights_digest(folder: Path) -> str:
    """Content hashes of a checkpoint's safetensors files, joined by `+`."""
    return "+".join(file_digest(path) for path in sorted(folder.glob("*.safetensors")))


def file_digest(path: Path) -> str:
    """Content hash of one local file (`sha256:…`)."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()

"""Files of a store and of an installation without forgotten words, each by its kind."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

from upath import UPath

from distil_dag.adapters.forgetting.parquet import Cleaned, without_rows
from distil_dag.adapters.forgetting.sqlite import is_database
from distil_dag.adapters.run_store import APART
from distil_dag.core.files import write_whole
from distil_dag.stages.forgetting.tombstones import Tombstones
from distil_dag.stages.forgetting.values import blotted_markup, is_forgotten, without_forgotten

# Numbers of weights and of optimizers, in which no text is looked for.
NUMBERS = frozenset({".safetensors", ".gguf", ".pt", ".pth", ".bin", ".npy", ".npz", ".so", ".png"})
_BESIDE_DATABASES = ("-wal", "-shm", "-journal")


def files_below(root: UPath | Path) -> Iterator[UPath | Path]:
    """All files below a folder that may hold text, in order; what lies beside a database belongs to it."""
    if not root.exists():
        return
    for path in sorted(root.rglob("*"), key=str):
        if not path.name.endswith(_BESIDE_DATABASES) and not _is_apart(path, root) and path.is_file():
            yield path


def _is_apart(path: UPath | Path, root: UPath | Path) -> bool:
    return f"/{APART}/" in str(path)[len(str(root)) :]


def is_numbers(path: UPath | Path) -> bool:
    """Whether a file holds numbers and no text that could be cleaned."""
    return path.suffix in NUMBERS


def is_sqlite(path: UPath | Path) -> bool:
    """Whether a file is an SQLite database of this machine."""
    return _local(path) is not None and is_database(Path(str(path)))


def clean_file(path: UPath | Path, stones: Tombstones) -> int:
    """Rewrite a file without what was forgotten; one that is read meanwhile shows before or after.

    Args:
        path: Parquet, JSON, JSON lines or any other text, also gzipped.
        stones: What was forgotten.

    Returns:
        How many rows, lines or texts went or were changed.

    Raises:
        RuntimeError: The file can't be read as what its name says.
    """
    found = cleaned(path, stones)
    if found.data is not None:
        local = _local(path)
        if local is None:
            path.write_bytes(found.data)
        else:
            mode = local.stat().st_mode
            write_whole(local, found.data)
            os.chmod(local, mode)
    return found.removed


def cleaned(path: UPath | Path, stones: Tombstones) -> Cleaned:
    """What a file would be without what was forgotten; see :func:`clean_file`."""
    try:
        data = bytes(path.read_bytes())
        if path.suffix == ".gz":
            found = _cleaned(gzip.decompress(data), path.stem, stones)
            return found if found.data is None else Cleaned(gzip.compress(found.data), found.removed)
        return _cleaned(data, path.name, stones)
    except (ValueError, EOFError, OSError) as error:
        raise RuntimeError(f"{path} can't be searched for what was forgotten: {error}") from error


def _cleaned(data: bytes, name: str, stones: Tombstones) -> Cleaned:
    if name.endswith(".parquet"):
        return without_rows(data, lambda row: is_forgotten(row, stones))
    text = data.decode(errors="surrogateescape")  # what is no text stays as it is
    if name.endswith(".jsonl"):
        return _lines(text, stones)
    if name.endswith(".json"):
        try:
            value = json.loads(text)
        except ValueError:
            return _text(text, stones)  # half a file, or no JSON
        kept = without_forgotten(value, stones)
        if kept is value:
            return Cleaned()
        return Cleaned(
            json.dumps(kept, ensure_ascii=text.isascii(), indent=2).encode(errors="surrogatepass"), 1
        )
    return _text(text, stones)


def _lines(text: str, stones: Tombstones) -> Cleaned:
    kept, removed = [], 0
    for line in io.StringIO(text, newline="\n"):
        stays = not _is_forgotten_line(line, stones)
        removed += not stays
        kept += [line] * stays
    return Cleaned("".join(kept).encode(errors="surrogateescape"), removed) if removed else Cleaned()


def _is_forgotten_line(line: str, stones: Tombstones) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return bool(stones.spans(line))
    return is_forgotten(row, stones) if isinstance(row, dict) else bool(stones.spans(line))


def _text(text: str, stones: Tombstones) -> Cleaned:
    kept = blotted_markup(text, stones)
    return Cleaned() if kept == text else Cleaned(kept.encode(errors="surrogateescape"), 1)


def _local(path: UPath | Path) -> Path | None:
    if isinstance(path, UPath) and path.protocol not in ("", "file", "local"):
        return None
    return Path(path.path if isinstance(path, UPath) else path)

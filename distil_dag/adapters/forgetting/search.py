"""Whether forgotten words are in a file, which is looked at by its kind."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from upath import UPath

from distil_dag.adapters.forgetting import sqlite
from distil_dag.adapters.forgetting.files import cleaned, is_numbers, is_sqlite
from distil_dag.adapters.llamacpp.gguf_tools import read_metadata
from distil_dag.stages.forgetting.tombstones import Tombstones
from distil_dag.stages.forgetting.values import blotted

# Holds the ids of all traces of a model by design: whoever has the file has to know them.
_PASSPORT = "distil_dag.traces"
_LONGEST_HEADER = 2**26


def places_in(path: UPath | Path, stones: Tombstones) -> list[str]:
    """Where forgotten words, or long ids, still are in a file.

    Parquet is decoded, archives are unpacked, JSON and HTML are read with their escapes. A database is
    searched row by row and then byte by byte, with free pages. Of weights the key-values are searched.

    Args:
        path: The file.
        stones: What was forgotten.

    Returns:
        Places as sentences, with the path of the file.

    Raises:
        RuntimeError: The file can't be read, so nothing is proved.
    """
    if is_numbers(path):
        return list(_of_numbers(path, stones))
    if is_sqlite(path):
        return list(sqlite.places(Path(str(path)), stones))
    count = cleaned(path, stones).removed
    return [f"{path}: {count} rows, lines or texts"] if count else []


def _of_numbers(path: UPath | Path, stones: Tombstones) -> Iterator[str]:
    if path.suffix == ".gguf" and Path(str(path)).is_file():
        for name, value in read_metadata(Path(str(path))).items():
            if name != _PASSPORT and blotted(value, stones) is not value:
                yield f"{path}: key-value {name}"
    elif path.suffix == ".safetensors" and blotted(header := _header(path), stones) is not header:
        yield f"{path}: its header"


def _header(path: UPath | Path) -> Any:
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        data = file.read(length) if length <= _LONGEST_HEADER else b""
    try:
        return json.loads(data)
    except ValueError:
        return None

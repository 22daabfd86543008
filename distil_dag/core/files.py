"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Put the bytes into a file of an existing folder, for this user's eyes only.

    A reader sees what was there before, or all of the new.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")  # mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place to write a file or a folder to; on a clean exit it becomes `path`, in an existing folder.

    What was there before stays until then, and for good when the block raises. A process that is killed
    leaves a folder `.tmp-<name>-…` beside it.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".tmp-{path.name}-") as room:
        fresh = Path(room) / path.name
        yield fresh
        # A folder before leaves by its name: while it were deleted, a reader would find half of it.
        if path.is_dir():
            os.replace(path, Path(room) / f"before-{path.name}")
        os.replace(fresh, path)

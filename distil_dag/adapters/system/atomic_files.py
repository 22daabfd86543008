"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Put the bytes into a file of an existing folder, for this user's eyes only.

    A reader sees what was there before, or all of the new.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")  # mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.replace(temporary, path)

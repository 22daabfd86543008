"""Where an installation keeps its things, as the environment says: its home, and the store in it."""

from __future__ import annotations

import os
from pathlib import Path

from upath import UPath

from distil_dag.adapters.system.environment import store_without_secret


def home_folder(home: Path | None = None) -> Path:
    """The home from the root of the file system on: `home`, `DISTIL_DAG_HOME`, or `.distil_dag` here."""
    return (home or Path(os.environ.get("DISTIL_DAG_HOME") or ".distil_dag")).absolute()


def store_root(home: Path) -> str:
    """`DISTIL_DAG_STORE`, or the folder `store` of the home: a whole path, as reports name it, or a URL.

    Raises:
        ValueError: The URL holds a secret, which Dagster would show.
    """
    root = store_without_secret(os.environ.get("DISTIL_DAG_STORE") or str(home / "store"))
    return root if UPath(root).protocol else str(Path(root).expanduser().absolute())

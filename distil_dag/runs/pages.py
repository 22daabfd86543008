"""What a page server may show of an installation: a few files of each run, and logs.

A name from outside never becomes part of a path, unless it is the key of a run. Files are looked up by names
that were listed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.run_key import RunKey

REPORT = "report.html"
CARD = "model-card.md"
LINEAGE = "lineage.json"
LOG = "log.txt"
# Public name -> asset and file of a run's folder.
_FILES: Mapping[str, tuple[str, str]] = {
    REPORT: ("eval_report", "report.html"),
    "report.md": ("eval_report", "report.md"),
    "report.json": ("eval_report", "report.json"),
    CARD: ("gguf", "files/README.md"),
    LINEAGE: ("gguf", "files/lineage.json"),
}
# A browser shows the end of a log; the whole file may have gigabytes.
_LONGEST_LOG = 4 * 1024**2
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def stored_page(store: RunStore, key: str, name: str) -> UPath:
    """Where the store keeps a page of a run.

    Args:
        store: The store of all runs.
        key: Key of the run.
        name: Public name of the page; the log of a run is not in the store.
    """
    asset, file = _FILES[name]
    return store.folder(key, asset) / file


def run_log(home: Path, key: str) -> Path:
    """The file of an installation that keeps what a run has printed in a terminal."""
    return home / "logs" / f"{key}.log"


@dataclass(frozen=True)
class Listed:
    """A run in the index.

    Attributes:
        key: Key of the run.
        names: Public names of the files to link to.
    """

    key: str
    names: tuple[str, ...]


class Pages:
    """The files of an installation that may be read by their public names.

    Args:
        home: The installation's home, with logs of runs and of model servers.
        store: The store of all runs.
    """

    def __init__(self, home: Path, store: RunStore) -> None:
        self._home = home
        self._store = store

    def runs(self) -> list[Listed]:
        """All runs of the store and all logs, by key.

        The files of a remote store are not looked for, since each would cost a request.
        """
        keys = {*self._store.runs(), *(path.stem for path in (self._home / "logs").glob("*.log"))}
        return [Listed(key, self._names(key)) for key in sorted(keys) if _is_key(key)]

    def server_logs(self) -> list[str]:
        """Names of the logs of model servers, the newest first."""
        return list(self._server_logs())

    def of_run(self, key: str, name: str) -> bytes:
        """One file of a run.

        Args:
            key: Key of the run.
            name: Public name of the file.

        Raises:
            FileNotFoundError: There is no such run or file; the message says how to make a file.
        """
        if not _is_key(key):
            raise FileNotFoundError(f"{key!r} is not the key of a run")
        if name == LOG:
            if not run_log(self._home, key).exists():
                raise FileNotFoundError(f"{key} was not run in a terminal: its logs are in Dagster")
            return _log(run_log(self._home, key))
        if name not in _FILES or not self._store.has(key):
            raise FileNotFoundError(f"there is no {name!r} of a run {key!r}")
        return self._store.read_bytes(key, *_FILES[name])

    def of_server(self, name: str) -> bytes:
        """The log of a model server.

        Args:
            name: One of :meth:`server_logs`.

        Raises:
            FileNotFoundError: There is no such log.
        """
        found = self._server_logs().get(name)
        if found is None:
            raise FileNotFoundError(f"there is no log {name!r}; those of the newest runs are kept")
        return _log(found)

    def _names(self, key: str) -> tuple[str, ...]:
        names = [
            name
            for name in _FILES
            if not self._store.is_local or stored_page(self._store, key, name).exists()
        ]
        return (*names, LOG) if run_log(self._home, key).exists() else tuple(names)

    def _server_logs(self) -> dict[str, Path]:
        root = self._home / "servers"
        found = sorted(root.glob("*/*/*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
        return {path.relative_to(root).as_posix(): path for path in found}


def _is_key(text: str) -> bool:
    """Whether a text is a key; one without a task part is a key where there is only one task."""
    try:
        return str(RunKey.parse(text, "only")) in (text, f"only.{text}")
    except ValueError:
        return False


def _log(path: Path) -> bytes:
    """The end of a log as text whose control characters neither a terminal nor a browser obeys."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LONGEST_LOG))
        text = file.read().decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    shown = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    left_out = f"... {size - _LONGEST_LOG} bytes before this are in {path}\n" if size > _LONGEST_LOG else ""
    return (left_out + shown).encode()

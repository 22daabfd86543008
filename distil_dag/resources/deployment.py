"""Where this installation keeps its files: the store, caches, work folders, Dagster's own state.

Everything lies under one home, `.distil_dag` in the working directory unless the environment says otherwise:

| variable | what | default |
|---|---|---|
| `DISTIL_DAG_HOME` | the home | `.distil_dag` |
| `DISTIL_DAG_STORE` | rows, reports and models of all runs: a folder or a URL (`s3://…`) | `HOME/store` |
| `DISTIL_DAG_TASKS` | task folders, or folders of them, separated as in `PATH` | `examples`, if present |
| `DAGSTER_HOME` | Dagster's runs, events and logs | `HOME/dagster` |
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from distil_dag.adapters.system.locks import locked
from distil_dag.adapters.system.places import home_folder, store_root
from distil_dag.core.files import write_whole

_TASKS_FILE = "tasks.txt"


@dataclass(frozen=True)
class Deployment:
    """The places of one installation, which need not exist yet.

    Attributes:
        home: The home folder.
        store: Folder or URL of the store of all runs.
        dagster_home: Folder of Dagster's runs, events and logs.
        task_folders: Task folders, and folders that hold task folders.
    """

    home: Path
    store: str
    dagster_home: Path
    task_folders: tuple[Path, ...]

    @property
    def cache(self) -> Path:
        """Replies of all models by content, shared by all runs; safe to delete."""
        return self.home / "cache"

    @property
    def work(self) -> Path:
        """Files of stages under way, from which an interrupted stage goes on."""
        return self.home / "work"

    def exists(self) -> bool:
        """Whether anything was ever run here."""
        return self.dagster_home.is_dir()

    def environment(self) -> dict[str, str]:
        """The variables with which another process finds the same places from any directory."""
        return {"DISTIL_DAG_HOME": str(self.home), "DAGSTER_HOME": str(self.dagster_home)}

    def register(self, folder: Path) -> None:
        """Remember a task folder, so that the UI, sensors and schedules find the task later.

        Of two folders with the same task name, the one that was used last counts, so it comes first.
        """
        folders = list(dict.fromkeys([folder.resolve(), *_registered(self.home)]))
        self.home.mkdir(parents=True, exist_ok=True)
        write_whole(self.home / _TASKS_FILE, "".join(f"{known}\n" for known in folders).encode())

    def instance(self) -> dg.DagsterInstance:
        """The Dagster instance of this installation; the first use writes its settings.

        The variables of :meth:`environment` are set for this process and its children.
        """
        os.environ.update(self.environment())
        self.dagster_home.mkdir(parents=True, exist_ok=True)
        settings = self.dagster_home / "dagster.yaml"
        # Only one of several first commands creates the databases; two at once would corrupt them.
        with locked(self.dagster_home / ".lock"):
            if not settings.exists():
                settings.write_text(default_settings(), encoding="utf-8")
            return dg.DagsterInstance.get()


def deployment(home: Path | None = None) -> Deployment:
    """The installation that the environment describes.

    Args:
        home: The home folder; overrides `DISTIL_DAG_HOME`.

    Raises:
        ValueError: `DISTIL_DAG_STORE` holds a secret, which Dagster would show.
    """
    root = home_folder(home)
    return Deployment(
        home=root,
        store=store_root(root),
        dagster_home=Path(os.environ.get("DAGSTER_HOME") or root / "dagster").absolute(),
        task_folders=_task_folders(root),
    )


def default_settings() -> str:
    """The `dagster.yaml` of an installation on one machine."""
    return Path(__file__).with_name("dagster.yaml").read_text(encoding="utf-8")


def _task_folders(home: Path) -> tuple[Path, ...]:
    listed = os.environ.get("DISTIL_DAG_TASKS")
    if listed:
        folders = [Path(part) for part in listed.split(os.pathsep) if part]
    else:
        folders = [Path("examples")] if Path("examples").is_dir() else []
    found = _registered(home) + [folder.absolute() for folder in folders]
    return tuple(dict.fromkeys(found))


def _registered(home: Path) -> list[Path]:
    file = home / _TASKS_FILE
    if not file.exists():
        return []
    return [Path(line) for line in file.read_text(encoding="utf-8").splitlines() if line]

"""The task folders of this installation, as a Dagster resource."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path

import dagster as dg
import yaml
from pydantic import Field

from distil_dag.adapters.tasks.folder import read_task, task_name
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Task

_TASK_FILES = ("task.yaml", "job_description.json")


class TasksResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Finds a task by its name, or by the key of a run."""

    folders: list[str] = Field(description="Task folders, and folders that hold task folders")

    def names(self) -> list[str]:
        """Names of all tasks, in the order of the folders.

        A folder with broken settings is listed by its own name. A folder that may not be opened
        (`lost+found`) is no task.
        """
        return list(self._named())

    def task(self, run: str, overrides: Mapping[str, object] | None = None) -> Task:
        """Read the task of a run key or of a task name.

        Args:
            run: A run's key, or a task's name.
            overrides: Applied over the task's settings, as :func:`override_texts` reads them.

        Raises:
            ValueError: The text is no key, or no folder holds the task.
            TaskFolderError: The task's folder is broken.
        """
        named = self._named()
        name = run if run in named else key_among(named, run).task
        if name not in named:
            known = ", ".join(named) or "none"
            raise ValueError(f"no task is called {name!r}; known tasks: {known}. Folders: {self.folders}")
        return read_task(named[name], overrides=override_texts(overrides or {}))

    def _named(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for folder in map(Path, self.folders):
            for candidate in [folder] if _is_task(folder) else filter(_is_task, _inside(folder)):
                found.setdefault(task_name(candidate), candidate)
        return found


def override_texts(overrides: Mapping[str, object]) -> dict[str, str]:
    """Overrides as a person writes them in a launchpad -> dotted path of each setting -> YAML text.

    Args:
        overrides: Dotted path or name of a section -> value, or a mapping of settings. A string is YAML text.
    """
    found: dict[str, str] = {}
    for name, value in overrides.items():
        if isinstance(value, Mapping) and value:
            found |= {f"{name}.{inner}": text for inner, text in override_texts(value).items()}
        elif isinstance(value, str):
            found[name] = value
        else:
            text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf)
            found[name] = text.removesuffix("...\n").strip()
    return found


def key_among(names: Collection[str], run: str) -> RunKey:
    """The key of a run; one without a task part belongs to the only task.

    With several tasks such a key would change its meaning as folders come and go, so it is refused.

    Args:
        names: Names of all tasks.
        run: The key as text.

    Raises:
        ValueError: The text is no key; the message shows what one looks like.
    """
    only = next(iter(names)) if len(names) == 1 else None
    return RunKey.parse(run, run if run in names else only)


def _is_task(folder: Path) -> bool:
    try:
        return any((folder / file).is_file() for file in _TASK_FILES)
    except OSError:  # one unreadable folder must not hide the tasks beside it
        return False


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []

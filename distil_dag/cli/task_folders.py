"""From what a user types for TASK to the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.tasks.folder import TaskFolderError, read_task
from distil_dag.cli.errors import CommandError
from distil_dag.core.task import Task
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.resources.tasks import TasksResource
from distil_dag.runs.continued import continued


def find_task(text: str, places: Deployment, overrides: Mapping[str, str] | None = None) -> Task:
    """The task in the folder `text`, or the known task of that name; CommandError says what is wrong."""
    tasks = TasksResource(folders=[str(folder) for folder in places.task_folders])
    try:
        if Path(text).is_dir():
            return read_task(Path(text), overrides)
        if text in tasks.names():
            return tasks.task(text, overrides)
    except TaskFolderError as error:
        raise CommandError(str(error)) from None
    listed = ", ".join(tasks.names()) or "none"
    raise CommandError(
        f"{text!r} is neither a folder nor the name of a known task (known: {listed}). "
        f"`distil-dag init {text}` writes a new one."
    )


def going_on(task: Task, run: str, parent: str, store: RunStore) -> Task:
    """The task of a run that goes on from `parent`, if one is named; CommandError says why it can't."""
    try:
        return continued(task, run, parent, store)
    except ValueError as error:
        raise CommandError(f"--continue: {error}" if parent else str(error)) from None


def parse_overrides(settings: Sequence[str]) -> dict[str, str]:
    """`a.b=c` -> {"a.b": "c"}; CommandError for anything else."""
    overrides = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals or not path.strip():
            raise CommandError(f"--set {setting!r}: write it as PATH=VALUE, e.g. --set training.epochs=1")
        overrides[path.strip()] = value
    return overrides


def write_template(folder: Path, force: bool) -> None:
    """Write a commented task folder, known from then on; CommandError when that would overwrite something."""
    from distil_dag.cli.task_template import task_template

    name = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in folder.resolve().name)
    files = task_template(name.lstrip("_-") or "my_task")
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is a file; name a folder")
    standing = [file for file in files if (folder / file).exists()]
    if standing and not force:
        raise CommandError(f"{folder} already holds {', '.join(standing)}; --force overwrites them")
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
        print(f"wrote {folder / file}")
    deployment().register(folder)
    print(f"Fill them in, then: distil-dag run {folder}")

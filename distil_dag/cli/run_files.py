"""What a run keeps, where a command takes a file or a run's key: its student, its test, its task."""

from __future__ import annotations

from pathlib import Path

from distil_dag.adapters.run_store import RunStore
from distil_dag.cli.errors import CommandError
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.task import Task


def student_file(text: str, store: RunStore) -> Path:
    """The GGUF file at a path, or the one that ships of the run with this key.

    Args:
        text: What a user types for a model.
        store: The store of all runs.

    Raises:
        CommandError: It is neither, the run has no file yet, or the file is not on this machine.
    """
    if (path := Path(text)).is_file():
        return path
    if not store.has(text):
        raise CommandError(f"{text} is not a file, nor a run's key: --model takes a GGUF file or a run's key")
    try:
        primary = store.read_report(text, "gguf", GgufReport).primary
    except FileNotFoundError:
        raise CommandError(f"run {text} has exported no GGUF file yet: `distil-dag run` makes it") from None
    file = store.folder(text, "gguf") / "files" / primary
    if not store.is_local:
        raise CommandError(f"{file} is not on this machine: copy it, and give its path to --model")
    return Path(file.path)


def test_lines(text: str, store: RunStore) -> list[bytes]:
    """The lines of the test of the run with this key.

    Args:
        text: What a user types for cases.
        store: The store of all runs.

    Raises:
        CommandError: There is no such run, or it has not been evaluated yet.
    """
    if not store.has(text):
        raise CommandError(
            f"{text} is not a file, nor a run's key: CASES is a file of JSON lines, JSON or CSV, or a run's "
            "key for its test"
        )
    try:
        return store.read_bytes(text, "eval_report", "test.jsonl").splitlines()
    except FileNotFoundError:
        raise CommandError(f"run {text} has not been evaluated yet, so its test is not written") from None


def task_of_run(text: str, store: RunStore) -> Task | None:
    """The frozen task of the run with this key; None where `text` is a file or no run's key.

    Args:
        text: What a user types for cases.
        store: The store of all runs.
    """
    if Path(text).is_file() or not store.has(text):
        return None
    try:
        return store.read_report(text, "traces", Task, name="task")
    except FileNotFoundError:
        return None


def frozen_task(run: str, store: RunStore) -> Task | None:
    """The frozen task of a run; None where there is none that this release can read.

    Args:
        run: Key of the run.
        store: The store of all runs.
    """
    try:
        return store.read_report(run, "traces", Task, name="task")
    except (FileNotFoundError, ValueError):
        return None

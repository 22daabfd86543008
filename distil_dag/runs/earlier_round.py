"""What a run takes from the one that it continues: outcomes, rows, and the student itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distil_dag.adapters.run_store import RunStore, weights_digest
from distil_dag.core import tables
from distil_dag.core.case import Example
from distil_dag.core.earlier_round import AnswerOutcome, Earlier
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.task import Task
from distil_dag.runs.training_rows import in_mix, tables_of_run


def outcomes_of(store: RunStore, run: str) -> list[AnswerOutcome]:
    """Whether the run's student answered the rows that were set aside; empty where none were."""
    right = store.read_report(run, "gguf", GgufReport).set_aside
    cases = store.read_cases(run, tables.CALIBRATION)
    return [AnswerOutcome(case.calls, right[case.id]) for case in cases if case.id in right]


def rows_before(store: RunStore, task: Task) -> dict[str, list[Example]]:
    """The training rows of all earlier rounds.

    Args:
        store: The store of all runs.
        task: The task whose `continues` begins the chain of rounds.

    Returns:
        `<table> of <run>` -> rows. The chain ends at a run that is no longer stored.
    """
    found: dict[str, list[Example]] = {}
    while run := task.continues:
        try:
            task = store.read_report(run, "traces", Task, name="task")
            learned = tables_of_run(store, run, in_mix(task.settings.training))
        except (FileNotFoundError, ValueError):
            break
        found |= {f"{name} of {run}": rows for name, rows in learned.items()}
    return found


def earlier_round(store: RunStore, task: Task) -> Earlier | None:
    """What the synthesis of a continued run is based on; None when the task continues none."""
    if not task.continues:
        return None
    made = [row for row in _learned(store, task) if row.origin == "synthetic"]
    return Earlier(task.continues, outcomes_of(store, task.continues), made)


def set_aside_before(store: RunStore, task: Task) -> list[Example]:
    """The rows that the continued run set aside; empty when the task continues none."""
    if not task.continues:
        return []
    return store.read_cases(task.continues, tables.CALIBRATION)


@dataclass(frozen=True)
class EarlierStudent:
    """The student whose training is continued.

    Attributes:
        folder: Folder of its checkpoint.
        identity: Its run and content hash.
        rows: All rows that it was trained on, in all rounds.
    """

    folder: Path
    identity: str
    rows: list[Example]


@contextmanager
def earlier_student(store: RunStore, task: Task) -> Iterator[EarlierStudent | None]:
    """The continued run's student, for the length of a `with` block.

    Args:
        store: The store of all runs.
        task: The task that may continue a run.

    Yields:
        The student; None when the task continues none.
    """
    if not task.continues:
        yield None
        return
    with store.local_folder(task.continues, "checkpoint", "model") as folder:
        yield EarlierStudent(folder, f"{task.continues}@{weights_digest(folder)}", _learned(store, task))


def _learned(store: RunStore, task: Task) -> list[Example]:
    return [row for rows in rows_before(store, task).values() for row in rows]

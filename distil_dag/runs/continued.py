"""The run that another one continues: whether it can be continued, and what the next round takes from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distil_dag.adapters.run_store import RunStore, weights_digest
from distil_dag.core import tables
from distil_dag.core.case import Example
from distil_dag.core.cells import AnswerOutcome, Earlier
from distil_dag.core.reports import GgufReport, JudgeReport
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Task
from distil_dag.runs.training_rows import in_mix, tables_of_run


def continued(task: Task, run: str, parent: str, store: RunStore) -> Task:
    """The task of a run that trains the student of `parent` on and is evaluated on its test.

    Args:
        task: The task as its folder has it.
        run: Key of the new run.
        parent: Key of the run to continue, or empty.
        store: The store of all runs.

    Returns:
        The task with the parent's test; the task unchanged without a parent.

    Raises:
        ValueError: This task or this run can't continue the parent; the message is one paragraph for the
            user.
    """
    parent = str(RunKey.parse(parent, task.name)) if parent else ""
    known = _frozen(store, run)
    if parent == run:
        raise ValueError(f"{run} can't continue itself: give the new run a key of its own")
    if known is not None and known.continues != parent:
        of = f"a run that continues {known.continues}" if known.continues else "a run that continues none"
        raise ValueError(
            f"{run} is {of} already: choose another key"
            + (f", or continue {known.continues} to go on with it" if known.continues else "")
        )
    if not parent:
        return task
    theirs = _frozen(store, parent)
    if theirs is None:
        raise ValueError(f"there is no run {parent} that can be continued: `distil-dag runs` lists them")
    _refuse_unlike(task, parent, theirs)
    _refuse_unfinished(store, parent)
    test = tuple(store.read_cases(parent, tables.TEST))
    labels = store.read_report(parent, "judged_seeds", JudgeReport).holdout.test_labels
    ignored = (f"test.jsonl is not used: the test is that of {parent}",) if task.test else ()
    return task.model_copy(
        update={
            "continues": parent,
            "test": test,
            "test_labels": labels,
            "warnings": (*task.warnings, *ignored),
        }
    )


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


def _frozen(store: RunStore, run: str) -> Task | None:
    try:
        return store.read_report(run, "traces", Task, name="task")
    except (FileNotFoundError, ValueError):  # not begun, or frozen by a release with other settings
        return None


def _refuse_unlike(task: Task, parent: str, theirs: Task) -> None:
    if task.toolset.digest != theirs.toolset.digest:
        raise ValueError(
            f"{parent} can't be continued: its student knows other tools than {task.name} has now. Start "
            "from the base, without --continue"
        )
    ours, known = task.settings.student.model_dump(), theirs.settings.student.model_dump()
    if changed := [name for name in ours if ours[name] != known[name]]:
        here = ", ".join(f"student.{name} is {ours[name]!r}" for name in changed)
        there = ", ".join(repr(known[name]) for name in changed)
        raise ValueError(
            f"{parent} can't be continued: it trained another student. Here {here}, there {there}; set "
            "it as it was, or start from the base, without --continue"
        )


def _refuse_unfinished(store: RunStore, parent: str) -> None:
    needed = {"checkpoint": "model", "gguf": "report.json", "eval_report": "report.json"}
    missing = [asset for asset, name in needed.items() if not (store.folder(parent, asset) / name).exists()]
    if missing:
        raise ValueError(
            f"{parent} can't be continued before it is finished: it has no {' and no '.join(missing)} yet. "
            f"`distil-dag run {RunKey.parse(parent).task} --run {parent}` goes on with it"
        )
    if not outcomes_of(store, parent):
        raise ValueError(
            f"{parent} can't be continued: it asked its student for no rows that were set aside "
            "(`judge.set_aside`), and where a student is weak must not be read off its test"
        )

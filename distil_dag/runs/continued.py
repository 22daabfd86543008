"""The run that another one continues: whether it can be continued, and what the next round takes from it."""

from __future__ import annotations

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Task


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
            "context": theirs.context,
            "test": test,
            "test_labels": labels,
            "warnings": (*task.warnings, *ignored),
        }
    )


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
    if not store.read_report(parent, "gguf", GgufReport).set_aside:
        raise ValueError(
            f"{parent} can't be continued: it asked its student for no rows that were set aside "
            "(`judge.set_aside`), and where a student is weak must not be read off its test"
        )

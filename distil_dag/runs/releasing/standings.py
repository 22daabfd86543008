"""How all evaluated runs of a store stand, each by the student that ships."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.runs.releasing.releases import read_champions
from distil_dag.stages.evaluating.candidate import LOOKUP
from distil_dag.stages.evaluating.metrics import EXACT

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = [
    "task", "run", "continues", "model", "exact match", "interval", "n", "lead over lookup", "p50 ms", "MB",
    "labels",
]  # fmt: skip


def standings(store: RunStore) -> pd.DataFrame:
    """One row for each evaluated run, by task and then by exact match, best first."""
    import pandas as pd

    rows = [_standing(run, report) for run, report in _evaluated(store)]
    order = ["task", "exact match", "run"]
    return pd.DataFrame(rows, columns=_COLUMNS).sort_values(
        order, ascending=[True, False, True], ignore_index=True
    )


def champion(store: RunStore, task: str) -> str:
    """The run whose student a task is served with: the one that was released, else the one that stands first.

    Args:
        store: All runs.
        task: Name of the task.

    Raises:
        FileNotFoundError: None of its runs has been evaluated.
    """
    if (released := read_champions(store, task).current) is not None:
        return released.run
    found = [
        (-report.candidate(report.student).metrics[EXACT].value, run)
        for run, report in _evaluated(store, task)
    ]
    if not found:
        raise _none_of(task)
    return min(found)[1]


def newest_evaluated(store: RunStore, task: str) -> str:
    """The run of a task that was evaluated last.

    Args:
        store: All runs.
        task: Name of the task.

    Raises:
        FileNotFoundError: None of its runs has been evaluated.
    """
    found = [(report.evaluated, run) for run, report in _evaluated(store, task)]
    if not found:
        raise _none_of(task)
    return max(found)[1]


def require_student(store: RunStore, task: str, run: str) -> None:
    """Refuse a run that has no measured student of the task.

    Args:
        store: All runs.
        task: Name of the task.
        run: Key of the run.

    Raises:
        ValueError: It is another task's.
        FileNotFoundError: It has not been evaluated, or does not exist.
    """
    if _task_of(run) != task:
        raise ValueError(f"{run} is no run of {task}: its key would begin with `{task}.`")
    store.read_report(run, "eval_report", EvalReport)


def best_of_each_task(rows: pd.DataFrame, limit: int) -> pd.DataFrame:
    """In the order they have, as many standings of each task as fit into `limit`; one at least."""
    places = rows.groupby("task").cumcount().sort_values(kind="stable")
    return rows.loc[places.index[: max(limit, (places == 0).sum())]].sort_index()


def _evaluated(store: RunStore, task: str | None = None) -> Iterator[tuple[str, EvalReport]]:
    """All runs with a report, or those of a task."""
    for run in store.runs():
        if task is not None and _task_of(run) != task:
            continue
        try:
            yield run, store.read_report(run, "eval_report", EvalReport)
        except (FileNotFoundError, ValueError):
            continue  # stopped before its evaluation, or written by a release that reported otherwise


def _none_of(task: str) -> FileNotFoundError:
    return FileNotFoundError(f"no run of {task} has been evaluated yet: `distil-dag run {task}` makes one")


def _task_of(run: str) -> str:
    # As it stands there: a run may be older than what keys have to look like.
    return run.partition(".")[0]


def _standing(run: str, report: EvalReport) -> dict[str, Any]:
    student = report.candidate(report.student)
    exact = student.metrics[EXACT]
    try:
        lead = report.against(report.student, LOOKUP).difference
        lead_text = f"{lead.value:+.1%} ({lead.low:+.1%} to {lead.high:+.1%})"
    except KeyError:
        lead_text = ""
    return {
        "task": _task_of(run),
        "run": run,
        "continues": report.continues,
        "model": student.name,
        "exact match": exact.value,
        "interval": f"{exact.low:.1%} to {exact.high:.1%}",
        "n": student.n,
        "lead over lookup": lead_text,
        "p50 ms": student.latency_ms.get("p50"),
        "MB": round(student.bytes / 1e6, 1),
        "labels": report.test_labels,
    }


class Coverage(NamedTuple):
    """What a student keeps at its threshold.

    Attributes:
        run: the student's run.
        kept: share of the test that it answers alone.
        precision: share of these answers that are right.
    """

    run: str
    kept: Estimate
    precision: Estimate


def coverage_of(store: RunStore, task: str) -> Coverage | None:
    """The coverage of the task's newest evaluated run; None where none has calibrated its student.

    Args:
        store: All runs.
        task: Name of the task.
    """
    newest: tuple[str, Coverage] | None = None
    for run, report in _evaluated(store, task):
        found = report.confidence
        if found and found.kept and found.precision and (newest is None or report.evaluated > newest[0]):
            newest = report.evaluated, Coverage(run, found.kept, found.precision)
    return newest[1] if newest else None

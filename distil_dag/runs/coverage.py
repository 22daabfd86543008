"""How much of a task's requests its newest student may answer alone."""

from __future__ import annotations

from typing import NamedTuple

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.evaluation import EvalReport


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
    for run in store.runs():
        if run.partition(".")[0] != task:
            continue
        try:
            report = store.read_report(run, "eval_report", EvalReport)
        except (FileNotFoundError, ValueError):
            continue  # stopped before its evaluation, or written by a release that reported otherwise
        found = report.confidence
        if found and found.kept and found.precision and (newest is None or report.evaluated > newest[0]):
            newest = report.evaluated, Coverage(run, found.kept, found.precision)
    return newest[1] if newest else None

"""The stored answers of the run that is continued, as a candidate of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.case import Case
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.stages.evaluating.answers import CUT_OFF, Answered
from distil_dag.stages.ports import Progress, quiet


class EarlierAnswers:
    """What an earlier run's shipped student answered to the same test.

    Args:
        store: The store of all runs.
        run: Key of the earlier run.
        name: Name in the report.
    """

    def __init__(self, store: RunStore, run: str, name: str) -> None:
        report = store.read_report(run, "eval_report", EvalReport)
        student = report.candidate(report.student)
        self.name, self.model, self.bytes = name, f"{run}: {student.model}", student.bytes
        self._answers = {
            row["case_id"]: _as_given(row["answer"], row["exact"], row["why"])
            for row in store.read_rows(run, tables.ANSWERS)
            if row["candidate"] == report.student
        }

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """The stored answers; None for a case that was not in the earlier run's test."""
        progress(len(cases), len(cases), "")
        return [self._answers.get(case.id) for case in cases]


def _as_given(text: str, exact: bool, why: str) -> Answered:
    # A failed answer is stored as empty text. Without the error it would be read as an answer without calls.
    return Answered(text, error="" if exact or text else why, cut=CUT_OFF in why)

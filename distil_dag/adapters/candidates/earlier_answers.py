"""The student of the run that is continued, as a candidate of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.case import Case
from distil_dag.core.reports import EvalReport
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.ports import Progress, quiet


class EarlierAnswers:
    """What a run's student, the one that ships, answered to the same test before."""

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
        """What it answered; None for a case that was not in its test."""
        progress(len(cases), len(cases), "")
        return [self._answers.get(case.id) for case in cases]


def _as_given(text: str, exact: bool, why: str) -> Answered:
    # An answer that never came is stored without words, which would be read as an answer without calls.
    return Answered(text, error="" if exact or text else why)

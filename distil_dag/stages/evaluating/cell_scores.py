"""The student's scores by cell of the coverage plan: on the test, and on the rows set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from distil_dag.core.case import Case
from distil_dag.core.earlier_round import AnswerOutcome
from distil_dag.core.reports.cells import CellScore, CellsReport
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.toolset import Toolset
from distil_dag.stages.synthesis.coverage_plan import CellNames
from distil_dag.stages.synthesis.error_rates import ErrorRates


def cell_scores(
    test: Sequence[Case],
    answers: Sequence[Mapping[str, Any]],
    student: str,
    before: str,
    outcomes: Sequence[AnswerOutcome],
    plan: SynthesisReport,
    toolset: Toolset,
) -> CellsReport:
    """Scores of every cell that the plan, the test or the set-aside rows have.

    Args:
        test: the frozen test.
        answers: rows of the evaluation.
        student: name of the student's candidate.
        before: name of the candidate of the run that is continued, which may have no answers.
        outcomes: answers of the student on the rows set aside, by which alone a cell counts as weak.
        plan: the report of synthesis, with the cells.
        toolset: the tools.

    Returns:
        The cells, those with the highest error first.
    """
    name = CellNames(plan.by_value, toolset)
    cell_of = {case.id: name(case.calls) for case in test}
    n = Counter(cell_of.values())
    known = [row for row in answers if row["case_id"] in cell_of]
    exact = {
        who: Counter(cell_of[row["case_id"]] for row in known if row["candidate"] == who and row["exact"])
        for who in {row["candidate"] for row in known} & {student, before}
    }
    error_rates = ErrorRates(outcomes, name) if outcomes else None
    aimed = {cell.cell for cell in plan.cells if cell.weak}
    aside = error_rates.cases if error_rates else Counter()
    wrong = error_rates.wrong if error_rates else Counter()
    cells = [
        CellScore(
            cell=cell,
            n=n[cell],
            exact=exact[student][cell],
            before=exact[before][cell] if before in exact else None,
            aside=aside[cell],
            aside_exact=aside[cell] - wrong[cell],
            error=error_rates.error(cell) if error_rates else None,
            weak=error_rates.weak(cell) if error_rates else False,
            aimed=cell in aimed,
        )
        for cell in {*n, *aside, *(cell.cell for cell in plan.cells)}
    ]
    cells.sort(key=lambda row: (-(row.error or 0.0), -row.n, row.cell))
    return CellsReport(error=error_rates.overall if error_rates else None, cells=cells)

"""What the report says of cells, and of a student that was trained on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from distil_dag.core.case import HeldOut
from distil_dag.core.earlier_round import AnswerOutcome
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.synthesis import CellCoverage, SynthesisReport
from distil_dag.core.tool_call import render_calls
from distil_dag.stages.evaluating.candidate import PARENT
from distil_dag.stages.evaluating.cell_scores import cell_scores
from distil_dag.stages.evaluating.evaluate import evaluate
from distil_dag.stages.reporting.html import report_html
from distil_dag.stages.reporting.markdown import helped, report_markdown
from distil_dag_tests.stages.evaluating.test_evaluate import SPEC, TOOLS, Scripted, call, held_out

STUDENT = "student Q8_0"
OFF, ON = "light_off(room)", "light_on(room)"
PLAN = SynthesisReport(
    teacher="-",
    attempted=0,
    accepted=0,
    cells=[
        CellCoverage(cell=OFF, tool="light_off", arguments=["room"], quota=2, accepted=2, weak=True),
        CellCoverage(cell="sing(<b>)", tool="sing", arguments=["<b>"], quota=1, accepted=0),
    ],
)


def outcomes(off: int, on: int) -> list[AnswerOutcome]:
    """Ten rows of each tool, of which so many are right."""
    return [
        AnswerOutcome((call(name, room="hall"),), number < right)
        for name, right in (("light_off", off), ("light_on", on))
        for number in range(10)
    ]


def answering(name: str, cases: Sequence[HeldOut], wrong: Collection[int]) -> Scripted:
    said = {case.id: render_calls(case.calls) for case in cases}
    return Scripted(name, said | {cases[place].id: render_calls([call("sing")]) for place in wrong})


def measured(
    now: Collection[int], before: Collection[int] | None = None, aside: Sequence[AnswerOutcome] = ()
) -> EvalReport:
    """A report on 40 cases, of which the student, and the one before it, get these wrong."""
    cases = held_out()
    candidates = [answering(STUDENT, cases, now)]
    candidates += [answering(PARENT, cases, before)] if before is not None else []
    report, rows = evaluate(cases, TOOLS, candidates, SPEC)
    cells = cell_scores(cases, rows, STUDENT, PARENT, aside, PLAN, TOOLS)
    return report.model_copy(update={"cells": cells, "continues": "" if before is None else "home.a"})


def test_cells_are_told_on_the_test_and_on_the_rows_set_aside() -> None:
    report = measured(now=[0, 2, 4], aside=outcomes(off=1, on=10))
    assert report.cells is not None
    cells = {row.cell: row for row in report.cells.cells}
    assert set(cells) == {OFF, ON, "no call", "sing(<b>)"}
    assert report.cells.cells[0].cell == OFF
    assert (cells[OFF].n, cells[OFF].exact, cells[OFF].aside, cells[OFF].aside_exact) == (20, 17, 10, 1)
    assert (cells["no call"].n, cells["no call"].aside, cells["sing(<b>)"].n) == (4, 0, 0)
    assert [row.cell for row in report.cells.weak] == [OFF]
    assert all(row.before is None for row in cells.values())
    assert EvalReport.model_validate_json(report.model_dump_json()) == report
    text, page = report_markdown(report), report_html(report, "home.a")
    assert "| light\\_off(room) | 17 of 20 | 1 of 10 |" in text
    assert "Weak are 1 of 4 cells" in text
    assert "No request of either met the other 1 of the plan." in text
    assert "| sing(" not in text
    assert "Weak are 1 of 4 cells" in page
    assert "<code>sing(&lt;b&gt;)</code>" in page
    assert helped(report) == ""


def test_the_test_alone_makes_no_cell_weak() -> None:
    report = measured(now=range(0, 40, 2))
    assert report.cells is not None
    assert report.cells.weak == []
    assert {row.error for row in report.cells.cells} == {None}
    assert "no cell can be called weak without spending the test" in report_markdown(report)
    same = outcomes(off=8, on=8)
    spent = measured(now=range(0, 40, 2), aside=same).cells
    kept = measured(now=[], aside=same).cells
    assert spent is not None
    assert kept is not None
    assert [(row.cell, row.error, row.weak) for row in spent.cells] == [
        (row.cell, row.error, row.weak) for row in kept.cells
    ]


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (range(2), range(20), "It helped: +45.0 points (+"),
        (range(20), range(2), "It did not help, it harmed: -45.0 points (-"),
        (range(2), range(3), "Whether it helped cannot be told, the interval includes zero: +2.5 points (-"),
    ],
)
def test_it_says_whether_training_on_has_helped(now: range, before: range, said: str) -> None:
    report = measured(now, before, outcomes(off=5, on=9))
    told = helped(report)
    assert told.startswith(said)
    assert "against the student of home.a, paired on 40 test cases" in told
    assert f"In the 1 weak cell that it aimed at, {20 - len(now) // 2} of 20 are right" in told
    assert told in report_html(report, "home.b").replace("&#39;", "'")
    assert "before" in report_markdown(report)
    assert report.cells is not None
    row = next(row for row in report.cells.cells if row.cell == OFF)
    assert row.aimed
    assert row.before == 20 - (len(before) + 1) // 2

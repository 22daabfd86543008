"""Where a student is weak, and how the next round's rows lean on it."""

from __future__ import annotations

import pytest

from distil_dag.core.earlier_round import AnswerOutcome, Earlier
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.settings import SynthesisSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.nlu.value_catalogue import ValueCatalogue
from distil_dag.stages.synthesis.coverage_plan import CellNames, draw_plan
from distil_dag.stages.synthesis.error_rates import ErrorRates
from distil_dag.stages.synthesis.generator import synthesize
from distil_dag_tests.stages.synthesis.lamp_teacher import TOOLS, Scripted, good, seeds

ON, OFF = "lamp_on(room)", "lamp_off(room)"


def outcomes(**cells: tuple[int, int]) -> list[AnswerOutcome]:
    """So many rows of each tool, of which so many are right."""
    return [
        AnswerOutcome((ToolCall(name=tool, arguments={"room": "hall"}),), number < right)
        for tool, (cases, right) in cells.items()
        for number in range(cases)
    ]


def names() -> CellNames:
    return CellNames.learn(seeds(), ValueCatalogue.learn(seeds(), TOOLS))


def test_a_small_cell_stays_near_the_rate_of_all_and_a_large_one_goes_its_own_way() -> None:
    found = ErrorRates(outcomes(lamp_on=(40, 38), lamp_off=(1, 0), set_heat=(20, 4)), names())
    assert found.overall == pytest.approx(20 / 63)
    assert found.error(ON) == pytest.approx(2 / 40, abs=0.04)
    assert found.overall < found.error(OFF) < 0.5
    assert found.error("set_heat(room)") > 0.7
    assert found.error("never seen") == found.overall


def test_a_cell_is_weak_when_its_rows_make_it_probable() -> None:
    found = ErrorRates(outcomes(lamp_on=(40, 38), lamp_off=(2, 1), set_heat=(20, 4)), names())
    assert found.weak("set_heat(room)")
    assert not found.weak(ON)
    assert not found.weak(OFF)
    assert not found.weak("never seen")
    assert not ErrorRates(outcomes(lamp_on=(5, 5), lamp_off=(5, 5)), names()).weak(ON)


def test_half_of_the_rows_go_where_the_mistakes_are() -> None:
    plain = {cell.name: cell for cell in draw_plan(seeds(), names(), 200)}
    error_rates = ErrorRates(outcomes(lamp_on=(30, 30), lamp_off=(30, 3)), names())
    aimed = {cell.name: cell for cell in draw_plan(seeds(), names(), 200, error_rates=error_rates)}
    assert aimed.keys() == plain.keys()
    assert sum(cell.quota for cell in aimed.values()) == 200
    assert aimed[OFF].quota > 1.2 * plain[OFF].quota
    assert aimed[ON].quota < plain[ON].quota
    # Half of the rows are dealt as before, so no cell is forgotten.
    assert all(aimed[name].quota >= plain[name].quota // 2 for name in plain)
    assert [name for name, cell in aimed.items() if cell.weak] == [OFF]
    assert not any(cell.weak for cell in plain.values())


def test_the_share_of_no_call_rows_that_the_task_asks_for_stays() -> None:
    error_rates = ErrorRates(outcomes(lamp_off=(30, 3)), names())
    plan = {cell.name: cell.quota for cell in draw_plan(seeds(), names(), 200, 0.3, error_rates)}
    assert plan["no call"] == 60
    assert sum(plan.values()) == 200


def test_a_second_round_aims_at_the_weak_cells_and_repeats_no_row() -> None:
    spec = SynthesisSpec(rows=60, batch=16, widen=False, max_attempts_per_row=8)
    first, before = synthesize(seeds(), [], [], TOOLS, spec, Scripted(good))
    earlier = Earlier("home.a", outcomes(lamp_on=(20, 20), lamp_off=(20, 2)), first.accepted)
    rounds = [synthesize(seeds(), [], [], TOOLS, spec, Scripted(good), earlier=earlier) for _ in range(2)]
    second, after = rounds[0]
    assert rounds[1][0] == second
    assert len(second.accepted) >= 40
    known = {ENGLISH.key(row.request) for row in first.accepted}
    assert not known & {ENGLISH.key(row.request) for row in second.accepted}

    def share(report, cell):
        return next(row.quota for row in report.cells if row.cell == cell)

    assert share(after, OFF) > share(before, OFF)
    assert [row.cell for row in after.cells if row.weak] == [OFF]
    # The alarm's state is in no words, so it names cells; with the same names the report tells its own.
    assert after.by_value == before.by_value == [("alarm", "state")]

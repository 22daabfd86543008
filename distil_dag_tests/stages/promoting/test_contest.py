"""Two students on the same cases, and what becomes of the challenger."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from distil_dag.core.normalise import ENGLISH
from distil_dag.core.promotion import Contest, PromotionSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.answers import Answered, Scored
from distil_dag.stages.evaluating.metrics import EXACT, CaseScore
from distil_dag.stages.promoting.contest import contest, unseen
from distil_dag.stages.promoting.decision import decide_by_tests, too_few
from distil_dag_tests import stand_ins as good

TOOLS = Toolset.from_openai(list(good.TOOLS))


def answers(right: Sequence[bool], tool: str = "turn_on") -> dict[int, Scored]:
    call = good.turn_on("lamp").model_copy(update={"name": tool})
    case = good.held_out("t", "turn on the lamp", call)
    return {
        place: Scored(case, Answered(""), None, CaseScore({EXACT: float(one)}))  # type: ignore[arg-type]
        for place, one in enumerate(right)
    }


def held(gained: int, lost: int, same: int) -> Contest:
    mine = [True] * gained + [False] * lost + [True] * same
    theirs = [False] * gained + [True] * lost + [True] * same
    return contest("their common test", "frozen file", answers(mine), answers(theirs))


def test_only_cases_that_both_answered_count() -> None:
    found = contest("test", "", answers([True] * 4), answers([False] * 3))
    assert (found.n, found.gained, found.lost) == (3, 3, 0)
    assert contest("test", "", answers([True]), {}).difference is None


def test_a_lead_beyond_chance_wins_and_one_within_it_does_not() -> None:
    spec = PromotionSpec()
    assert decide_by_tests((), [held(12, 1, 100)], spec)[0] == "promote"
    verdict, reason = decide_by_tests((), [held(3, 1, 100)], spec)
    assert verdict == "keep"
    assert "their common test: the lead of +1.9%" in reason
    # As good within five points is enough for who asks for no more.
    assert decide_by_tests((), [held(3, 1, 100)], PromotionSpec(margin=-0.05))[0] == "promote"


def test_a_tool_that_got_worse_keeps_the_champion() -> None:
    mine = {**answers([True] * 30), **{30 + n: one for n, one in answers([False] * 8, "turn_off").items()}}
    theirs = {**answers([False] * 30), **{30 + n: one for n, one in answers([True] * 8, "turn_off").items()}}
    verdict, reason = decide_by_tests((), [contest("test", "", mine, theirs)], PromotionSpec())
    assert (verdict, reason) == ("keep", "test: worse at turn_off (0 gained, 8 lost)")


def test_a_gate_that_does_not_hold_keeps_the_champion() -> None:
    verdict, reason = decide_by_tests(["gguf_parity"], [held(12, 0, 100)], PromotionSpec())
    assert (verdict, "gguf_parity" in reason) == ("keep", True)


def test_without_cases_nothing_is_won() -> None:
    assert decide_by_tests((), [contest("test", "", {}, {})], PromotionSpec())[0] == "keep"


@pytest.mark.parametrize(("later", "told"), [(None, "no times"), (49, "49 of 50"), (50, "")])
def test_too_few_later_traces_are_told(later: int | None, told: str) -> None:
    assert told in too_few(later, PromotionSpec())
    assert bool(too_few(later, PromotionSpec())) == bool(told)


def test_what_one_of_both_has_learned_from_is_left_out() -> None:
    learned = [good.example("s", "turn on the lamp", good.turn_on("lamp"))]
    cases = [
        good.held_out("same words", "Turn on the lamp!", good.turn_on("fan")),
        good.held_out("nearly, same call", "turn on the lampp", good.turn_on("lamp")),
        good.held_out("nearly, other call", "turn on the lamb", good.turn_on("lamb")),
        good.held_out("new", "start the fan", good.turn_on("fan")),
    ]
    left = unseen(cases, learned, TOOLS, 0.9, ENGLISH)
    assert [case.id for case in left] == ["nearly, other call", "new"]

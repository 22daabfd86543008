"""Cases that are set aside: in proportion, unseen by everybody else, and not at the cost of the rare."""

from __future__ import annotations

import random
from collections import Counter
from typing import Literal

import pytest

from distil_dag.core.case import Example, Message
from distil_dag.core.leaks import find_leaks
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.reports.judging import HoldoutReport, JudgeReport
from distil_dag.core.settings import JudgeSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.core.verdict import Verdict
from distil_dag.stages.judging.calibration_split import set_aside
from distil_dag.stages.judging.judge import Judged
from distil_dag.stages.splitting.stratified import pattern

TOOLS = Toolset.from_openai(
    [{"name": name, "parameters": {"type": "object"}} for name in ("on", "off", "rare")]
)
REPORT = JudgeReport(
    kind="likelihood", judge="-", judged=400, seeds=0, passed_context=0, rejected=0,
    holdout=HoldoutReport(test=0, removed_near_copies=0, remaining=0, test_labels="-"),
)  # fmt: skip


def row(id: str, words: str, tool: str, origin: Literal["seed", "context"] = "context") -> Example:
    return Example(
        id=id, messages=(Message(role="user", content=words),), calls=(ToolCall(name=tool),), origin=origin
    )


def letters(number: int) -> str:
    """Words of their own for a number, so that no two requests are alike."""
    draw = random.Random(number)
    return " ".join("".join(draw.choices("abcdefghijklmnopqrstuvw", k=6)) for _ in range(4))


def log(count: int, seeds: int = 60) -> Judged:
    rows = [
        row(f"r{n:03}", letters(n), "on" if n % 4 else "off", "seed" if n < seeds else "context")
        for n in range(count)
    ]
    rows += [row("z", "something rare and odd", "rare", "seed")]
    return Judged(
        seeds=[one for one in rows if one.origin == "seed"],
        context=[one for one in rows if one.origin == "context"],
        unlabelled=[],
        verdicts=[],
    )


def test_a_tenth_is_set_aside_in_proportion_and_the_seeds_are_spared() -> None:
    judged = log(300)
    found, report = set_aside(judged, REPORT, JudgeSpec(), TOOLS, 0.95)
    assert len(found.calibration) == report.set_aside == 30
    cells = Counter(pattern(case.calls) for case in found.calibration)
    assert abs(cells["on()"] - 22) <= 1
    assert cells["rare()"] == 0
    assert found.seeds == judged.seeds
    assert (report.seeds, report.passed_context) == (len(found.seeds), len(found.context))


def test_no_row_that_stays_says_what_was_set_aside() -> None:
    judged = log(300)
    judged.context.extend(row(f"copy{n}", f"please {letters(n)}", "off") for n in range(300))
    judged.context.extend(row(f"near{n}", f"{letters(n)}s", "on" if n % 4 else "off") for n in range(300))
    found, _ = set_aside(judged, REPORT, JudgeSpec(set_aside=0.5), TOOLS, 0.95)
    assert len(found.calibration) == 100
    rest = [*found.seeds, *found.context]
    assert len({ENGLISH.key(case.request) for case in found.calibration}) == 100
    assert not find_leaks(found.calibration, rest, TOOLS, 0.95, ENGLISH)


@pytest.mark.parametrize(("count", "share"), [(150, 0.1), (1000, 0.0)])
def test_too_few_are_none(count: int, share: float) -> None:
    judged = log(count)
    assert set_aside(judged, REPORT, JudgeSpec(set_aside=share), TOOLS, 0.95) == (judged, REPORT)


def test_every_pattern_keeps_a_row_even_when_all_could_go() -> None:
    found, _ = set_aside(log(60), REPORT, JudgeSpec(set_aside=1.0), TOOLS, 0.95)
    assert {pattern(case.calls) for case in [*found.seeds, *found.context]} == {"on()", "off()", "rare()"}


def test_the_order_of_rows_does_not_matter() -> None:
    first, mixed = log(300), log(300)
    random.Random(0).shuffle(mixed.context)
    found, again = (set_aside(judged, REPORT, JudgeSpec(), TOOLS, 0.95)[0] for judged in (first, mixed))
    assert found.calibration == again.calibration


def test_the_judge_does_not_choose() -> None:
    """Its surest rows are easier than traffic: a threshold found on them would promise too much."""
    judged = log(300)
    sure = [row.id for row in judged.context[::2]]
    judged.verdicts.extend(
        Verdict(trace_id=id, request="-", calls=(), outcome="passed", score=0.99, reason="-", judge="-")
        for id in sure
    )
    found, _ = set_aside(judged, REPORT, JudgeSpec(set_aside=0.3), TOOLS, 0.95)
    chosen = {row.id for row in found.calibration}
    assert 0.3 < len(chosen & set(sure)) / len(chosen) < 0.7

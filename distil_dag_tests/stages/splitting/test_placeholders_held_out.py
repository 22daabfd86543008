"""Neither a test nor a calibration holds a placeholder where the schema takes no text."""

from __future__ import annotations

from typing import Any

import pytest

from distil_dag.core.case import Example, Message, Trace
from distil_dag.core.reports.judging import HoldoutReport, JudgeReport
from distil_dag.core.settings import JudgeSpec, TestSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.judging.calibration_split import set_aside
from distil_dag.stages.judging.judge import Judged
from distil_dag.stages.splitting.holdout import hold_out

PHONE = "<PHONE_1>"
REPORT = JudgeReport(
    kind="likelihood", judge="-", judged=100, seeds=0, passed_context=0, rejected=0,
    holdout=HoldoutReport(test=0, removed_near_copies=0, remaining=0, test_labels="-"),
)  # fmt: skip


def track(**order: Any) -> Toolset:
    schema = {"type": "object", "properties": {"order": order, "to": {"type": "string"}}}
    return Toolset.from_openai([{"name": "track", "parameters": schema}])


def call(**arguments: Any) -> tuple[ToolCall, ...]:
    return (ToolCall(name="track", arguments=arguments),)


@pytest.mark.parametrize(
    ("order", "calls", "expected"),
    [
        ({"type": "integer"}, call(order=PHONE), False),
        ({"type": "integer"}, call(order=5, to=PHONE), True),
        ({"type": "string"}, call(order=PHONE), True),
        ({"type": "string", "maxLength": 8}, call(order=PHONE), False),
        ({"type": "string", "pattern": r"^\d{8}$"}, call(order=PHONE), False),
        ({"type": "integer"}, (), True),
    ],
)
def test_a_placeholder_is_a_text_like_any_other_where_it_is_not_excused(
    order: dict[str, Any], calls: tuple[ToolCall, ...], expected: bool
) -> None:
    tools = track(**order)
    assert not any(tools.problems(made) for made in calls)
    assert (not any(tools.problems(made, placeholders=False) for made in calls)) is expected


# Every other request holds personal data.
ROWS = [
    (f"{letter}{other} order {n}", call(order=5 if n % 2 else PHONE))
    for n, (letter, other) in enumerate((a, b) for a in "abcdefghijklmnop" for b in "rstuvwxyz")
]


def test_they_are_not_drawn_and_stay_to_be_learned_from() -> None:
    log = [
        Trace(id=f"{n:03}", messages=(Message(role="user", content=words),), calls=calls)
        for n, (words, calls) in enumerate(ROWS)
    ]
    hidden = {trace.id for trace in log if trace.calls == call(order=PHONE)}
    split, _ = hold_out(log, None, TestSpec(size=20), track(type="integer"))
    assert len(split.test) == 20
    assert not hidden & {case.id for case in split.test}
    assert hidden & {case.id for case in split.rest}
    text, _ = hold_out(log, None, TestSpec(size=20), track(type="string"))
    assert hidden & {case.id for case in text.test}


def test_they_are_not_set_aside() -> None:
    rows = [
        Example(id=f"{n:03}", messages=(Message(role="user", content=words),), calls=calls, origin="context")
        for n, (words, calls) in enumerate(ROWS)
    ]
    judged = Judged(seeds=[], context=rows, unlabelled=[], verdicts=[])
    found, _ = set_aside(judged, REPORT, JudgeSpec(set_aside=0.5), track(type="integer"), 0.95)
    assert found.calibration
    assert all(case.calls == call(order=5) for case in found.calibration)

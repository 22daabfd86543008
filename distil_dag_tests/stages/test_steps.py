"""An agent that takes several steps for a request: each is tested and learned, with the results it had."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product

import pytest

from distil_dag.core.case import Example, Message, Trace
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.reports.judging import HoldoutReport, JudgeReport
from distil_dag.core.settings import JudgeSpec, SynthesisSpec, TestSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.core.verdict import Verdict
from distil_dag.stages.judging.calibration_split import set_aside
from distil_dag.stages.judging.judge import Judged
from distil_dag.stages.judging.seed_choice import choose_seeds
from distil_dag.stages.splitting.holdout import hold_out
from distil_dag.stages.synthesis.generator import synthesize
from distil_dag_tests.stages.synthesis.lamp_teacher import Scripted

TEXT = {"type": "string"}
TOOLS = Toolset.from_openai(
    [
        {"name": "find", "description": "Find a contact.", "parameters": {"properties": {"name": TEXT}}},
        {"name": "send", "description": "Send a text.", "parameters": {"properties": {"to": TEXT}}},
    ]
)
NAMES = ("anna", "boris", "clara", "dora", "emil", "frida")
TEXTS = ("i am late", "dinner is ready", "the train left", "happy birthday", "call me back", "we are home")


@pytest.fixture
def log() -> list[Trace]:
    """Of each request two steps: the contact is found, then the text is sent to its number."""
    rows = []
    for number, (name, text) in enumerate(product(NAMES, TEXTS)):
        asked = Message(role="user", content=f"tell {name} that {text}")
        find = ToolCall(name="find", arguments={"name": name})
        result = Message(role="tool", content=json.dumps({"id": f"c{number}"}))
        send = ToolCall(name="send", arguments={"to": f"c{number}"})
        rows.append(Trace(id=f"{number:02}#1", messages=(asked,), calls=(find,)))
        later = (asked, Message(role="assistant", tool_calls=(find,)), result)
        rows.append(Trace(id=f"{number:02}#2", messages=later, calls=(send,)))
    return rows


def example(trace: Trace) -> Example:
    return Example(id=trace.id, messages=trace.messages, calls=trace.calls, origin="seed")


def tools(cases: list[Trace] | list[Example]) -> Counter[str]:
    return Counter(case.calls[0].name for case in cases)


def test_every_step_is_tested_and_no_other_step_of_its_request_stays(log: list[Trace]) -> None:
    split, _ = hold_out(log, None, TestSpec(size=200), TOOLS)
    found = Counter(case.calls[0].name for case in split.test)
    assert set(found) == {"find", "send"}
    assert abs(found["find"] - found["send"]) <= 1
    assert not {case.request for case in split.test} & {case.request for case in split.rest}


def test_a_frozen_case_is_held_against_what_production_did_in_its_step(log: list[Trace]) -> None:
    frozen = [example(log[1])]
    (case,) = hold_out(log, frozen, TestSpec(), TOOLS)[0].test
    assert case.production == log[1].calls


def test_every_step_can_be_a_seed(log: list[Trace]) -> None:
    passed = {
        trace.id: Verdict(
            trace_id=trace.id, request=trace.request, calls=trace.calls, outcome="passed", score=0.9,
            reason="passed", judge="-",
        )
        for trace in log
    }  # fmt: skip
    chosen = choose_seeds(log, passed, 20, 0, ENGLISH)
    assert tools([trace for trace in log if trace.id in chosen]) == {"find": 10, "send": 10}


def test_every_step_of_a_request_is_set_aside(log: list[Trace]) -> None:
    more = [
        trace.model_copy(update={"id": f"{n}{trace.id}", "messages": _about(trace, f"{'quickly ' * n}"[:-1])})
        for n in range(1, 7)
        for trace in log
    ]
    report = JudgeReport(
        kind="likelihood", judge="-", judged=0, seeds=0, passed_context=0, rejected=0,
        holdout=HoldoutReport(test=0, removed_near_copies=0, remaining=0, test_labels="-"),
    )  # fmt: skip
    judged = Judged(seeds=[example(trace) for trace in [*log, *more]], context=[], unlabelled=[], verdicts=[])
    found, _ = set_aside(judged, report, JudgeSpec(), TOOLS, 1.0)
    assert len(found.calibration) >= 40
    assert tools(found.calibration)["find"] == tools(found.calibration)["send"]


def test_no_synthetic_row_calls_what_only_a_result_could_lead_to(log: list[Trace]) -> None:
    teacher = Scripted(lambda number, line: f"could you {line.partition(' = ')[2]} number {number}")
    made, _ = synthesize(
        [example(trace) for trace in log], [], [], TOOLS, SynthesisSpec(rows=30, widen=False), teacher
    )
    assert made.accepted
    assert set(tools(made.accepted)) == {"find"}


def _about(trace: Trace, words: str) -> tuple[Message, ...]:
    first, *later = trace.messages
    return (first.model_copy(update={"content": f"{words} {first.content}"}), *later)

"""A report with every part that there is: the smart home's test, answered by scripts that err like models."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache

from distil_dag.adapters.tasks.folder import read_task
from distil_dag.core.case import Case, HeldOut, Message
from distil_dag.core.confidence import Confidence
from distil_dag.core.earlier_round import AnswerOutcome
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.synthesis import CellCoverage, SynthesisReport
from distil_dag.core.settings import EvaluationSpec, PriceSpec
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.evaluating.calibration import calibrated
from distil_dag.stages.evaluating.candidate import (
    BASE,
    CHECKPOINT,
    LOOKUP,
    PARENT,
    PRODUCTION,
    TEACHER,
    TEACHER_FEW_SHOT,
    decoder_name,
    gguf_name,
)
from distil_dag.stages.evaluating.cell_scores import cell_scores
from distil_dag.stages.evaluating.evaluate import Learned, Shipped, evaluate
from distil_dag.stages.ports import Progress, quiet
from distil_dag.stages.serving.proving.guarantee import guarantee
from distil_dag_tests.paths import EXAMPLES

RUN = "smart_home.20261124T110000Z_20261117T110000Z_with_a_rather_long_label"
STUDENT = gguf_name("Q8_0")
# Candidate -> its size in bytes and the share of its answers that are right.
SCORES = {
    STUDENT: (144_942_176, 0.9),
    gguf_name("f16"): (271_016_576, 0.9),
    gguf_name("Q4_K_M"): (105_584_768, 0.87),
    decoder_name(STUDENT): (144_942_176, 0.91),
    CHECKPOINT: (0, 0.9),
    PARENT: (144_942_176, 0.85),
    BASE: (0, 0.05),
    TEACHER: (0, 0.2),
    TEACHER_FEW_SHOT: (0, 0.4),
    LOOKUP: (0, 0.6),
    PRODUCTION: (0, 0.92),
}
HOSTILE = "<script>alert(1)</script> turn_on_everything.in_the_house_" + "and_the_garden_" * 12

Mistake = Callable[[ToolCall, random.Random], list[ToolCall]]
MISTAKES: Sequence[Mistake] = (
    lambda call, draw: [],
    lambda call, draw: [call.model_copy(update={"arguments": dict(list(call.arguments.items())[1:])})],
    lambda call, draw: [call.model_copy(update={"name": draw.choice(["turn_on", "set_volume"])})],
    lambda call, draw: [call.model_copy(update={"arguments": {**call.arguments, "area": "the kitchen"}})],
    lambda call, draw: [call, call],
)


class Model:
    """Right on a share of the cases; its mistakes are of all kinds, and it is mostly unsure of them."""

    model = "model-q8_0@sha256:278bfb1f46957423c10d6d041b6a1a7bd61e24165327ab2b515d28fd51e22098"

    def __init__(self, name: str, sure: bool) -> None:
        self.name, self.sure = name, sure
        self.bytes, self.share = SCORES[name]
        self.software = "llama.cpp 0.3.36" if name.startswith("student") else ""

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        return [self._answer(case, place) for place, case in enumerate(cases)]

    def _answer(self, case: Case, place: int) -> Answered:
        # Forms of the student err on the same cases.
        draw = random.Random(place if self.name.startswith("student") else f"{self.name} {place}")
        right = draw.random() < self.share
        mistake = MISTAKES[place % len(MISTAKES)]
        text = render_calls(case.calls if right or not case.calls else mistake(case.calls[0], draw))
        ids = (1, place, 198, *([2] if place == 3 and self.name == gguf_name("f16") else []))
        if not self.sure:
            return Answered(text, 15 + 10 * draw.random(), asked=ids, tokens=(900, 30))
        logprob = -0.2 * draw.random() if right else -1.5 * draw.random()
        known = _known()
        return Answered(
            text, 12, logprob=logprob, confidence=known.right_with(logprob), confident=known.holds(logprob)
        )


@cache
def full_report() -> EvalReport:
    """The report; the first request of its test is hostile."""
    task = read_task(EXAMPLES / "smart_home")
    test = [HeldOut.model_validate(case.model_dump()) for case in task.test or ()]
    first = Message(role="user", content=HOSTILE)
    test[0] = test[0].model_copy(
        update={"messages": (first,), "calls": (ToolCall(name="turn_on", arguments={"device": HOSTILE}),)}
    )
    log = [case.model_copy(update={"id": f"log {case.id}"}) for case in test[1::2]]
    plan = SynthesisReport(
        teacher="-",
        attempted=0,
        accepted=0,
        cells=[
            CellCoverage(
                cell=f"{name}({', '.join(arguments)})",
                tool=name,
                arguments=list(arguments),
                quota=2,
                accepted=2,
                weak=name == "clean",
            )
            for name, arguments in {
                call.name: tuple(call.arguments) for case in test[1:] for call in case.calls
            }.items()
        ],
    )
    candidates = [Model(name, sure="decoder" in name) for name in SCORES]
    learned = Learned(
        {"seeds": log, "synthetic": log[::2]}, frozenset({"synthetic"}), log, 0.95, task.normaliser
    )
    proved = guarantee([(-place / 100, place < 150) for place in range(200)], 0.95)
    price = PriceSpec(prompt_per_million=1.0)
    shipped = Shipped([STUDENT, gguf_name("f16")], _known(), price, proved)
    report, rows = evaluate(
        test,
        task.toolset,
        candidates,
        EvaluationSpec(bootstrap=100),
        student=STUDENT,
        test_labels="written by hand",
        measured={
            "Confidence": "95 %",
            "Statistics": "Wilson intervals of shares, bootstrap percentiles of the staged score",
            "Versions": "distil_dag 0.1.0, torch 2.13.0+cpu, llama_cpp_python 0.3.36",
        },
        learned=learned,
        shipped=shipped,
    )
    draw = random.Random(1)
    outcomes = [
        AnswerOutcome(case.calls, draw.random() < (0.3 if case.calls[0].name == "clean" else 0.9))
        for case in test
        if case.calls
    ]
    failures = [
        {**row, "command": f"distil-dag eval {RUN} --model {RUN} --case {row['case']}"}
        for row in report.failures
    ]
    return report.model_copy(
        update={
            "cells": cell_scores(test, rows, STUDENT, PARENT, outcomes, plan, task.toolset),
            "continues": "smart_home.first",
            "failures": failures,
            "command": f"distil-dag eval {RUN} --model {RUN} --plain --json",
        }
    )


@cache
def _known() -> Confidence:
    draw = random.Random(2)
    right = [draw.random() < 0.9 for _ in range(300)]
    return calibrated([-(0.2 if one else 1.5) * draw.random() for one in right], right, 0.95)

"""One test of MASSIVE, the log that remains for it, and what each method makes of that log."""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from massive_logs import LOGS

from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.core.case import Case, Example, Trace
from distil_dag.core.settings import TestSpec
from distil_dag.core.task import Task
from distil_dag.core.tool_call import calls_key
from distil_dag.stages.judging.calibration_split import set_aside
from distil_dag.stages.judging.judge import Judged, judge, keep_apart
from distil_dag.stages.progress import paced
from distil_dag.stages.splitting.holdout import hold_out
from distil_dag.stages.synthesis.generator import synthesize

TEST = 150
# Number of synthetic rows that are trained on alone.
ALONE = 1200


@dataclass
class Split:
    """One test, the log that remains for it, and what the methods make of that log.

    Attributes:
        number: seed of the split.
        log: name of the log, as `massive_logs.LOGS` has it.
        task: the task.
        traces: the clean log.
        work: folder for replies of the teacher.
        repeats: whether the test is drawn row by row, and what repeats it stays in the log. If not, it is
            held out with all that repeats it.
        test: the test, with labels of the clean log.
        rest: the log that remains.
    """

    number: int
    log: str
    task: Task
    traces: Sequence[Trace]
    work: Path
    repeats: bool = False

    def __post_init__(self) -> None:
        tests, rest = self._drawn() if self.repeats else self._held_out()
        self.test: list[Case] = tests
        self.rest = LOGS[self.log](rest, self.task.toolset, self.number)

    def _held_out(self) -> tuple[list[Case], list[Trace]]:
        task, spec = self.task, TestSpec(size=TEST, seed=self.number)
        held, _ = hold_out(self.traces, None, spec, task.toolset, normaliser=task.normaliser)
        return list(held.test), held.rest

    def _drawn(self) -> tuple[list[Case], list[Trace]]:
        traces = sorted(self.traces, key=lambda trace: trace.id)
        tests = random.Random(f"{self.number}:repeats").sample(traces, TEST)
        ids = {trace.id for trace in tests}
        return list(tests), [trace for trace in traces if trace.id not in ids]

    @property
    def name(self) -> str:
        """Log and number of the split, in words."""
        return f"{self.log} log, split {self.number}"

    @cached_property
    def confirmed(self) -> list[str]:
        """Ids of the tests whose request the clean log holds several times, always with the same calls."""
        labels: dict[str, list[str]] = defaultdict(list)
        for trace in self.traces:
            calls = [self.task.toolset.canonical(call) for call in trace.calls]
            labels[self.task.normaliser.identity(trace)].append(calls_key(calls))
        found = {case.id: labels[self.task.normaliser.identity(case)] for case in self.test}
        return sorted(name for name, keys in found.items() if len(keys) > 1 and len(set(keys)) == 1)

    def rows(self, method: str) -> list[Example]:
        """The rows that the student of a method is trained on."""
        if method == "direct":
            return [_example(trace) for trace in self.rest]
        if method == "synthetic":
            return self._synthetic(ALONE)
        return [
            *self._synthetic(self.task.settings.synthesis.rows),
            *self._judged.seeds,
            *self._judged.context,
        ]

    @cached_property
    def _judged(self) -> Judged:
        settings, tools, same = self.task.settings, self.task.toolset, self.task.normaliser
        with open_chat(settings.teacher, self.work / "replies") as teacher:
            judged, report = judge(
                self.rest,
                tools,
                settings.judge,
                teacher,
                progress=_told(f"{self.name}: judging"),
                normaliser=same,
            )
        alike = settings.gates.leak_similarity
        if not self.repeats:
            judged, report = keep_apart(judged, report, self.test, tools, alike, same)
        return set_aside(judged, report, settings.judge, tools, alike, normaliser=same)[0]

    def _synthetic(self, rows: int) -> list[Example]:
        task, settings, judged = self.task, self.task.settings, self._judged
        spec = settings.synthesis.model_copy(update={"rows": rows})
        told = _told(f"{self.name}: synthesis")
        with open_chat(settings.teacher, self.work / "replies") as teacher:
            context = [*judged.context, *judged.unlabelled]
            made, _ = synthesize(
                judged.seeds,
                context,
                self.test,
                task.toolset,
                spec,
                teacher,
                told,
                normaliser=task.normaliser,
            )
        return made.accepted


def say(text: str) -> None:
    """Print a line to the standard error output."""
    print(text, file=sys.stderr, flush=True)


def _told(what: str) -> Any:
    return paced(say, what)


def _example(trace: Trace) -> Example:
    return Example(id=trace.id, messages=trace.messages, calls=trace.calls, text=trace.text, origin="context")

"""The test leaves the log before anything else happens to it.

Requests that say the same (see :class:`distil_dag.core.normalise.Normaliser`) leave as one group, so that no
copy of a test request stays behind for the judge, the teacher or the trainer. Where an agent takes several
steps for a request, each is a case of its own in that group.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distil_dag.core.case import Case, HeldOut, Trace
from distil_dag.core.leaks import find_leaks
from distil_dag.core.normalise import ENGLISH, Normaliser
from distil_dag.core.reports.judging import HoldoutReport
from distil_dag.core.settings import TestSpec
from distil_dag.core.task import Task
from distil_dag.core.tool_call import ToolCall, calls_key
from distil_dag.core.toolset import Toolset
from distil_dag.stages.splitting.stratified import pattern, proportional_shares

# Near copies: similarity of the normalised requests from which two rows with the same calls
# count as one. 0.95 is a letter or two in a spoken command. Rows with other calls stay: at this
# similarity they are contrasts ("bedroom 1" and "bedroom 2"), which are there to be learned.
NEAR_COPY = 0.95
# The parts of a split.
TEST, REST = "test", "rest"
# At most this share of the log becomes the test, however small the log is.
LARGEST_SHARE = 0.2


@dataclass(frozen=True)
class Holdout:
    """A log in two parts.

    Attributes:
        test: the frozen test.
        rest: the traces that may be learned from.
    """

    test: list[HeldOut]
    rest: list[Trace]


def alike(task: Task) -> float:
    """The similarity (0 to 1) from which a task takes two requests with the same calls for one."""
    return min(NEAR_COPY, task.settings.gates.leak_similarity)


def split_rows(split: Holdout, traces: Sequence[Trace]) -> list[dict[str, str]]:
    """A split as rows of a table.

    Args:
        split: the split.
        traces: the log that it is a split of.

    Returns:
        A row for each trace: its `id`, and its `part`, which is `rest`, or `test` for test cases and their
        copies.
    """
    staying = {trace.id for trace in split.rest}
    return [{"id": trace.id, "part": REST if trace.id in staying else TEST} for trace in traces]


def remaining(traces: Sequence[Trace], rows: Sequence[Mapping[str, str]]) -> list[Trace]:
    """The traces that may be learned from.

    Args:
        traces: the log.
        rows: its split, as :func:`split_rows` made them.
    """
    staying = {row["id"] for row in rows if row["part"] == REST}
    return [trace for trace in traces if trace.id in staying]


def split_of(task: Task, traces: Sequence[Trace]) -> tuple[Holdout, HoldoutReport]:
    """The split of a task's own log, the same for everyone who asks; see :func:`hold_out`."""
    spec = task.settings.test
    return hold_out(traces, task.test, spec, task.toolset, alike(task), task.test_labels, task.normaliser)


def hold_out(
    traces: Sequence[Trace],
    frozen: Sequence[Case] | None,
    spec: TestSpec,
    toolset: Toolset,
    similarity: float = NEAR_COPY,
    labels: str = "frozen file",
    normaliser: Normaliser = ENGLISH,
) -> tuple[Holdout, HoldoutReport]:
    """Split a log into a test and the rest, which holds no copy and no near copy of the test.

    A given test keeps its cases, and rows of the log that repeat one leave. Otherwise whole groups of equal
    requests become the test, in proportion to tool and argument pattern, and never more than a fifth of the
    groups or rows. Each step of a group gives one case at most, with the calls logged most often for it.

    Traces with problems can't be test cases. Nor can those in which a placeholder of personal data stands for
    a number, which no student can say. A near copy (see :func:`find_leaks`) has the same calls in canonical
    form, so they may differ in defaults.

    Args:
        traces: the log; the split depends on its rows and the seed, not on their order.
        frozen: the cases of a given test. What production answered is looked up in the log for cases that do
            not know it.
        spec: the wanted number of requests, and the seed.
        toolset: the tools of the task.
        similarity: of requests with the same calls, from which one is a near copy of the other (0 to 1).
        labels: what is known of a given test's labels, for the report.
        normaliser: tells which requests are the same.

    Returns:
        The split, and the report on it.
    """
    groups: dict[str, list[Trace]] = defaultdict(list)
    for trace in sorted(traces, key=lambda trace: trace.id):
        groups[normaliser.identity(trace)].append(trace)
    if frozen is None:
        cases = _draw(groups, spec, toolset)
        test = [HeldOut(**_content(case), production=case.calls) for case in cases]
    else:
        test = [
            HeldOut(**_content(case), production=_production(groups, case, normaliser)) for case in frozen
        ]
    keys = {normaliser.identity(case) for case in test}
    # A test request answered in a trace's history is known as well.
    staying = [trace for trace in traces if not keys & normaliser.identities(trace)]
    copies = {leak.row for leak in find_leaks(test, staying, toolset, similarity, normaliser)}
    rest = [trace for trace in staying if trace.id not in copies]
    report = HoldoutReport(
        test=len(test),
        removed_near_copies=len(traces) - len(rest) - (0 if frozen is not None else len(test)),
        remaining=len(rest),
        test_labels="production log (unreviewed)" if frozen is None else labels,
    )
    return Holdout(test, rest), report


def _draw(groups: dict[str, list[Trace]], spec: TestSpec, toolset: Toolset) -> list[Trace]:
    """One case for each step of a group that becomes the test, sorted by id."""
    usual = {
        (key, step): _usual([row for row in rows if row.step == step])
        for key, rows in groups.items()
        for step in {row.step for row in rows}
    }
    cells: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for key, step in sorted(usual):
        calls = usual[key, step].calls
        strict = [text for call in calls for text in toolset.problems(call, placeholders=False)]
        if not strict and not any(trace.problems for trace in groups[key]):
            cells[pattern(calls)].append((key, step))
    size = min(spec.size, int(LARGEST_SHARE * len(usual)))
    spare = LARGEST_SHARE * sum(len(rows) for rows in groups.values())
    leaving: set[str] = set()
    drawn: list[Trace] = []
    for cell, share in sorted(proportional_shares({c: len(keys) for c, keys in cells.items()}, size).items()):
        keys = list(cells[cell])
        random.Random(f"{spec.seed}:{cell}").shuffle(keys)
        # What leaves for one step is lost to learning, so its other steps cost nothing.
        for key, step in sorted(keys, key=lambda place: place[0] not in leaving):
            cost = 0 if key in leaving else len(groups[key])
            if share and cost <= spare:
                share -= 1
                spare -= cost
                leaving.add(key)
                drawn.append(usual[key, step])
    return sorted(drawn, key=lambda trace: trace.id)


def _usual(rows: Sequence[Trace]) -> Trace:
    """The trace whose calls were logged most often among these; the first by id of equals."""
    votes = Counter(calls_key(trace.calls) for trace in rows)
    return min(rows, key=lambda trace: (-votes[calls_key(trace.calls)], trace.id))


def _production(
    groups: dict[str, list[Trace]], case: Case, normaliser: Normaliser
) -> tuple[ToolCall, ...] | None:
    if isinstance(case, HeldOut) and case.production is not None:
        return case.production
    rows = [row for row in groups.get(normaliser.identity(case), []) if row.step == case.step]
    here = [row for row in rows if normaliser.situation(row) == normaliser.situation(case)]
    if not here and len({calls_key(row.calls) for row in rows}) != 1:
        return None  # what it answered in other contexts says nothing of this one
    rows = here or rows
    same = [trace for trace in rows if trace.request == case.request]
    return _usual(same or rows).calls


def _content(case: Case) -> dict[str, object]:
    return {"id": case.id, "messages": case.messages, "calls": case.calls, "text": case.text}

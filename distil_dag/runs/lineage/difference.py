"""What is different in a second run, and what that did to the score."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.reports.difference import Change, RunDifference, ScoreChange
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.task import Task
from distil_dag.core.tool_call import NO_CALL
from distil_dag.runs.lineage.touched import rows_of
from distil_dag.runs.provenance import provenance
from distil_dag.stages.evaluating.metrics import EXACT
from distil_dag.stages.statistics import compare

_LOST_SHOWN = 10
_WORDS = ("continues", "log", "window", "base", "teacher", "judge", "method", "licence")
Versions = Mapping[str, str | None]
"""Asset -> version of its code."""


def difference(
    store: RunStore, first: str, second: str, versions: tuple[Versions, Versions] = ({}, {})
) -> RunDifference:
    """What is not the same in two runs, and their scores on the cases that both have answered.

    Args:
        store: The store of all runs.
        first: Key of a run.
        second: Key of the run that is compared with it.
        versions: The versions of the code of both.

    Raises:
        FileNotFoundError: One of them has no snapshot of a log yet.
        ValueError: A frozen task was written by another release.
    """
    tasks = [store.read_report(run, "traces", Task, name="task") for run in (first, second)]
    sides = [dict(_facts(store, run, task)) for run, task in zip((first, second), tasks, strict=True)]
    for side, own in zip(sides, versions, strict=True):
        side |= {f"code version of {asset}": version for asset, version in own.items()}
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    changes = [
        Change(what=name, first=sides[0].get(name), second=sides[1].get(name))
        for name in names
        if sides[0].get(name) != sides[1].get(name)
    ]
    return RunDifference(first=first, second=second, changes=changes, score=_score(store, first, second))


def _facts(store: RunStore, run: str, task: Task) -> Iterator[tuple[str, Any]]:
    """What can differ -> its value, in the order of the chain."""
    origin = provenance(store, run, task)
    yield from ((name, getattr(origin, name)) for name in _WORDS)
    for tool in task.toolset.tools:
        yield f"tool {tool.name}", json.dumps(tool.model_dump(mode="json"), sort_keys=True)
    yield from ((f"setting {setting.name}", setting.value) for setting in origin.settings)
    for stage, rows in origin.rows.items():
        yield from ((f"rows: {stage}, {what}", count) for what, count in rows.items())
    yield from ((f"environment: {name}", value) for name, value in origin.environment.items())


def _score(store: RunStore, first: str, second: str) -> ScoreChange | None:
    try:
        reports = [store.read_report(run, "eval_report", EvalReport) for run in (first, second)]
    except (FileNotFoundError, ValueError):
        return None
    exact = [report.candidate(report.student).metrics[EXACT] for report in reports]
    ours, theirs = (
        _answers(store, run, report) for run, report in zip((first, second), reports, strict=True)
    )
    shared = sorted(ours.keys() & theirs.keys())
    is_same = len(shared) == len(ours) == len(theirs)
    told = ScoreChange(
        first=exact[0], second=exact[1], shared=len(shared), is_same_test=is_same and bool(shared)
    )
    if not shared:
        return told
    found = compare([theirs[case] for case in shared], [ours[case] for case in shared])
    by_tool: dict[str, tuple[int, int]] = {}
    for case in shared:
        if ours[case] != theirs[case]:
            gained, lost = by_tool.get(_tool(case[2]), (0, 0))
            by_tool[_tool(case[2])] = (gained + theirs[case], lost + ours[case])
    lost_cases = [case[0] for case in shared if ours[case] and not theirs[case]]
    return told.model_copy(
        update={
            "difference": found.difference,
            "p_value": found.p_value,
            "gained": found.first_only,
            "lost": found.second_only,
            "by_tool": dict(sorted(by_tool.items())),
            "lost_cases": lost_cases[:_LOST_SHOWN],
        }
    )


def _answers(store: RunStore, run: str, report: EvalReport) -> dict[tuple[str, str, str], bool]:
    """Id, request and label of each case -> whether the student that ships got it right."""
    return {
        (str(row["case_id"]), str(row.get("request")), str(row.get("expected"))): bool(row["exact"])
        for row in rows_of(store, run, tables.ANSWERS)
        if row["candidate"] == report.student
    }


def _tool(expected: str) -> str:
    try:
        calls = json.loads(expected)
    except ValueError:
        return NO_CALL
    return " + ".join(str(call["name"]) for call in calls) or NO_CALL

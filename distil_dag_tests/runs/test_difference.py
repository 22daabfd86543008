"""`distil-dag diff`: what is different in a second run, and what that did to the score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.settings import TrainingSpec
from distil_dag.runs.lineage.difference import difference
from distil_dag_tests import stand_ins as good
from distil_dag_tests.cli.test_cli import Call, call

__all__ = ["call"]  # a fixture

ON = json.dumps([{"name": "turn_on", "arguments": {"device": "lamp"}}])


def write(store: RunStore, run: str, right: list[bool], first: int = 0, **settings: Any) -> None:
    """A run whose student answered these cases right or wrong, with ids from `first` on."""
    task = good.task(**settings)
    tools = good.TOOLS if run == "home.a" else (*good.TOOLS, tool("turn_off"))
    store.write_report(run, "traces", task.model_copy(update={"tools": tools}), name="task")
    traces = good.TRACES_REPORT.model_copy(update={"kept": 98 if run == "home.a" else 198})
    store.write_report(run, "traces", traces)
    report: EvalReport = good.EVAL_REPORT.model_copy(
        update={"candidates": [good.candidate("Q8_0", sum(right) / len(right))]}
    )
    store.write_report(run, "eval_report", report)
    rows = [
        {
            "candidate": name,
            "case_id": f"c{first + n}",
            "request": f"lamp {n}",
            "expected": ON,
            "exact": is_right,
        }
        for name in ("Q8_0", "base")
        for n, is_right in enumerate(right if name == "Q8_0" else [False] * len(right))
    ]
    store.write_rows(run, tables.ANSWERS, rows)


def tool(name: str) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {}}},
    }


@pytest.fixture
def store(home: Path) -> RunStore:
    store = RunStore(home / "store")
    write(store, "home.a", [True] * 60 + [False] * 40)
    return store


def test_changes_are_named_and_the_score_is_paired(store: RunStore, call: Call) -> None:
    write(
        store,
        "home.b",
        [True] * 58 + [False] * 2 + [True] * 20 + [False] * 20,
        training=TrainingSpec(epochs=9),
    )
    found = difference(store, "home.a", "home.b")
    changes = {change.what: (change.first, change.second) for change in found.changes}
    assert changes["setting training.epochs"][1] == 9
    assert changes["rows: log, kept"] == (98, 198)
    assert changes["tool turn_off"][0] is None
    assert not any(name.startswith("environment") for name in changes)
    score = found.score
    assert score is not None
    assert score.is_same_test
    assert (score.shared, score.gained, score.lost) == (100, 20, 2)
    assert score.difference is not None
    assert score.difference.value == pytest.approx(0.18)
    assert 0 < score.difference.low < 0.18 < score.difference.high
    assert (score.by_tool, score.lost_cases) == ({"turn_on": (20, 2)}, ["c58", "c59"])
    said = call("diff", "home.a", "home.b")
    assert said.code == 0, said.err
    assert "Paired on all 100 cases: +18.0 points" in said.out
    assert "more than chance" in said.out
    assert json.loads(call("diff", "home.a", "home.b", "--json").out)["score"]["gained"] == 20


def test_tests_that_share_some_cases_are_compared_on_these(store: RunStore, call: Call) -> None:
    write(store, "home.b", [True] * 60 + [False] * 40)
    rows = store.read_rows("home.b", tables.ANSWERS)
    half = [row if n % 2 else {**row, "expected": "[]"} for n, row in enumerate(rows)]
    store.write_rows("home.b", tables.ANSWERS, half)
    score = difference(store, "home.a", "home.b").score
    assert score is not None
    assert (score.shared, score.is_same_test, score.gained + score.lost) == (50, False, 0)
    assert "no more than chance" in call("diff", "home.a", "home.b").out


def test_other_tests_and_runs_without_one_are_not_compared(store: RunStore, call: Call) -> None:
    write(store, "home.b", [True] * 50, first=1000)
    assert "no case in common" in call("diff", "home.a", "home.b").out
    (store.root / "home.b" / "eval_report" / "report.json").unlink()
    assert "not both were evaluated" in call("diff", "home.a", "home.b").out
    said = call("diff", "home.a", "home.x")
    assert (said.code, "no run" in said.err) == (2, True)

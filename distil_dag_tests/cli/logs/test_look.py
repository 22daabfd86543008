"""What the log of a task holds, and one record of it step by step."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.evidence import ConfidenceReport
from distil_dag.resources.deployment import deployment
from distil_dag_tests.cli.logs.some_logs import row, tool, write_lines
from distil_dag_tests.cli.test_cli import Call, call
from distil_dag_tests.stand_ins import EVAL_REPORT

__all__ = ["call"]


@pytest.fixture
def folder(call: Call, tmp_path: Path) -> Path:
    rows = [
        row(1, tool(), said="Mail [bold]anna@example.com[/bold] the den."),
        row(2, tool()),
        {"id": "broken", "request": {"messages": [{"role": "user", "content": "x b@example.com"}]}},
        row(2, tool()),
    ]
    log = write_lines(tmp_path / "agent.jsonl", rows)
    assert call("init", "--from", log, tmp_path / "task").code == 0
    return tmp_path / "task"


def test_the_same_table_as_of_a_new_task(call: Call, folder: Path, tmp_path: Path) -> None:
    looked = call("look", folder)
    assert looked.code == 0
    made = call("init", "--from", tmp_path / "agent.jsonl", tmp_path / "deeper" / "task")
    assert looked.out.strip() in made.out
    told = json.loads(call("look", folder, "--json").out)
    assert told["tool_versions"] == {"set_light": 1}
    assert told["traces"]["quarantined"] == {"no response": 1, "duplicate id": 1}
    assert "of the first 1 record" in call("look", folder, "--records", 1).out


def test_what_the_log_costs_and_what_a_student_would_take_over(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    rows = [row(n, tool()) | {"input_tokens": 1000, "output_tokens": 100, "cost": 0.5} for n in (1, 2)]
    rows[0]["thumbs"] = "down"
    log = write_lines(tmp_path / "agent.jsonl", rows)
    made = call("init", "--from", log, tmp_path / "task", "--price", "250,1000")
    assert made.code == 0, made.err
    table = [re.sub(r"\s+", " ", line).strip("│ ") for line in made.out.splitlines()]
    for line in (
        "traces with a score, of which low │ 1, 1",
        "tokens of requests │ 2,000",
        "tokens of answers │ 200",
        "cost as logged, of 2 traces │ 1.00",
        "cost at the given price │ 0.70",
        "cost of 1,000 calls │ 350.00",
    ):
        assert line in table
    assert "would answer alone" not in made.out
    kept, right = Estimate(value=0.4, low=0.3, high=0.5), Estimate(value=0.98, low=0.9, high=1.0)
    known = ConfidenceReport(candidate="Q8_0", n=10, auroc=None, curve=[], kept=kept, precision=right)
    store = RunStore(deployment().store)
    store.write_report("task.first", "eval_report", EVAL_REPORT.model_copy(update={"confidence": known}))
    said = re.sub(r"\s+", " ", call("look", tmp_path / "task", "--price", "250,1000").out)
    assert "the student of task.first would answer alone │ 40.0% (98.0% right)" in said
    assert "and save │ 0.28" in said


@pytest.mark.parametrize("price", ["cheap", "1", "1,2,3", "-1,2", "nan,1"])
def test_a_price_is_two_numbers(price: str, call: Call, folder: Path) -> None:
    said = call("look", folder, "--price", price)
    assert said.code == 2
    assert "such as 2.5,10" in said.err


def test_tools_that_requests_define_and_the_task_has_not(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    job = json.loads((folder / "job_description.json").read_text())
    job["tools"][0]["function"]["name"] = "other"
    (folder / "job_description.json").write_text(json.dumps(job))
    said = call("look", folder).out
    assert "defined in requests, and not in the task: set_light" in said
    assert "calls of tools that the task has not" in said


@pytest.mark.parametrize("name", ["r1", "line 1", "agent.jsonl line 1"])
def test_a_record_step_by_step(name: str, call: Call, folder: Path) -> None:
    said = call("look", folder, "--record", name)
    assert said.code == 0, said.err
    lines = said.out.replace("\n", " ")
    assert "record: agent.jsonl line 1, id r1" in lines
    assert "user: Mail [bold]<EMAIL_1>[/bold] the den." in lines
    assert "EMAIL: 1" in lines
    assert 'calls set_light {"room": "room 1", "level": 1}' in lines
    assert "anna@example.com" not in said.out


def test_a_record_that_was_set_aside(call: Call, folder: Path) -> None:
    (steps,) = json.loads(call("look", folder, "--record", "broken", "--json").out)
    assert steps["position"] == "line 3"
    assert steps["set_aside"].startswith("no response")
    assert steps["cases"] == []
    assert "b@example.com" not in steps["raw"]


def test_a_record_that_is_not_there(call: Call, folder: Path) -> None:
    said = call("look", folder, "--record", "r9")
    assert said.code == 2
    assert "no record of the log has the id 'r9'" in said.err

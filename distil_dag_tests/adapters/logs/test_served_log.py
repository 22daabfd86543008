"""The log of a server of students as a source of traces: the teacher's answers, and nobody's guesses."""

from __future__ import annotations

import json
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.serving.exchanges.open_log import open_exchange_log
from distil_dag.core.case import Trace
from distil_dag.stages.serving.exchange import Exchange
from distil_dag_tests.adapters.logs.loaded_log import load, task_of
from distil_dag_tests.cli.test_cli import Call, call
from distil_dag_tests.stages.serving.some_exchanges import TOOL, alone, audited, exchange, shadowed

__all__ = ["call"]

ALONE = "an answer of the student alone, which nobody audited"
LOG = [exchange(1, conversation="[c]"), shadowed(2), alone(3), audited(4), alone(5, audited=True)]
"""The last one is an audit that the teacher has not answered."""


def write(kind: str, folder: Path, exchanges: list[Exchange] = LOG) -> dict[str, Any]:
    """The source of a log that the real writer has written."""
    address = {
        "sql": str(folder / "log.sqlite"),
        "files": str(folder / "log"),
        "remote": f"memory://{uuid.uuid4().hex}/log",
    }[kind]
    with open_exchange_log(address) as log:
        for one in exchanges:
            log.put(one)
    assert log.written == len(exchanges)
    if kind == "sql":
        return {"kind": "sql", "url": f"sqlite:///{address}", "table": "exchanges", "time_column": "time"}
    return {"kind": "files", "path": address, "time_column": "time"}


@pytest.mark.parametrize("kind", ["sql", "files", "remote"])
@pytest.mark.parametrize("form", ["auto", "openai_chat"])
def test_traces_are_what_the_teacher_said(kind: str, form: str, tmp_path: Path) -> None:
    """In whatever form the task says that it is, a guess of the student is no label."""
    task = task_of({**write(kind, tmp_path), "format": form})
    rows, quarantine, intake = load(task, tmp_path / "store")
    assert quarantine == []
    assert intake.report().no_answers == {ALONE: 2}
    traces = {row["id"]: Trace.from_row(row) for row in rows}
    assert list(traces) == [exchange(number).id for number in (1, 2, 4)]
    for number, latency in ((1, 840.0), (2, 840.0), (4, None)):
        one = traces[exchange(number).id]
        assert one.request == f"Turn on {number}."
        assert [(call.name, call.arguments) for call in one.calls] == [("on", {"n": number})]
        assert (one.time, one.model, one.latency_ms) == (exchange(number).time, "big", latency)
        assert (one.input_tokens, one.output_tokens, one.cost) == (120, 20, 0.5)


def test_an_answer_of_the_student_stays_as_history(tmp_path: Path) -> None:
    """The next request of a conversation holds what the student said: context, and no label."""
    said = alone(1).response["choices"][0]["message"]
    turns = [
        {"role": "user", "content": "Turn on 1."},
        said,
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        {"role": "user", "content": "Now 2."},
    ]
    log = [alone(1), exchange(2, request={"messages": turns, "tools": [TOOL]}), alone(3)]
    rows, _, intake = load(task_of(write("files", tmp_path, log)), tmp_path / "store")
    (one,) = map(Trace.from_row, rows)
    assert [call.arguments for call in one.calls] == [{"n": 2}]
    assert [call.arguments for turn in one.messages for call in turn.tool_calls] == [{"n": -1}]
    assert intake.report().no_answers == {ALONE: 2}


def test_a_renamed_column_hides_no_student(tmp_path: Path) -> None:
    source = write("sql", tmp_path)
    with sqlite3.connect(tmp_path / "log.sqlite") as connection:
        connection.execute("ALTER TABLE exchanges RENAME COLUMN response TO answer_body")
    connection.close()
    rows, _, intake = load(task_of({**source, "columns": {"response": "answer_body"}}), tmp_path / "store")
    assert intake.report().no_answers == {ALONE: 2}
    assert len(rows) == 3


def test_a_row_that_says_not_who_answered_is_set_aside(tmp_path: Path) -> None:
    source = write("sql", tmp_path)
    with sqlite3.connect(tmp_path / "log.sqlite") as connection:
        connection.execute("UPDATE exchanges SET answered_by = 'nobody' WHERE id LIKE '%1'")
    connection.close()
    rows, quarantine, _ = load(task_of(source), tmp_path / "store")
    assert [row["reason"] for row in quarantine] == ["nobody answered"]
    assert len(rows) == 2


def test_a_window_of_the_log(tmp_path: Path) -> None:
    for kind in ("sql", "files"):
        log = [exchange(number) for number in (1, 61, 121)]
        task = task_of(write(kind, tmp_path / kind, log))
        rows, _, _ = load(task, tmp_path / f"store of {kind}", "t.20261101T120000Z_20261101T110000Z")
        assert [row["id"] for row in rows] == [exchange(61).id]


def test_a_line_that_a_kill_has_cut_is_set_aside_alone(tmp_path: Path) -> None:
    source = write("files", tmp_path)
    (path,) = (tmp_path / "log").iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    rows, quarantine, intake = load(task_of(source), tmp_path / "store")
    assert [row["reason"] for row in quarantine] == ["broken JSON"]
    assert (len(rows), intake.report().no_answers) == (3, {ALONE: 1})


@pytest.mark.parametrize("kind", ["sql", "files"])
def test_a_task_is_made_of_the_log(call: Call, tmp_path: Path, kind: str) -> None:
    """`init --from` knows its table, its columns and its tools; `look` tells what becomes of a row."""
    write(kind, tmp_path)
    address = tmp_path / ("log.sqlite" if kind == "sql" else "log")
    made = call("init", "--from", address, tmp_path / "task")
    assert made.code == 0, made.err
    job = json.loads((tmp_path / "task" / "job_description.json").read_text())
    assert [tool["function"] for tool in job["tools"]] == [TOOL["function"]]
    told = json.loads(call("look", tmp_path / "task", "--json").out)
    assert told["traces"]["no_answers"] == {ALONE: 2}
    assert told["traces"]["calls_per_tool"] == {"on": 3}
    assert told["tool_versions"] == {"on": 1}
    assert told["without_time"] == 0
    assert (told["first"], told["last"]) == ("2026-11-01T10:01:00Z", "2026-11-01T10:04:00Z")
    of_student = call("look", tmp_path / "task", "--record", alone(3).id)
    assert ALONE in " ".join(of_student.out.split())

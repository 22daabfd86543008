"""A task made of files for fine-tuning, as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.logs.source import read_traces
from distil_dag.adapters.tasks.folder import read_task
from distil_dag.core.run_key import RunKey
from distil_dag_tests.cli.logs.some_logs import tool, write_lines
from distil_dag_tests.cli.test_cli import Call, call

__all__ = ["call"]


def turns(room: str, level: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    arguments = json.dumps({"room": room, "level": level})
    called = {"id": "c1", "type": "function", "function": {"name": "set_light", "arguments": arguments}}
    given = [
        {"role": "system", "content": "You run a house."},
        {"role": "user", "content": f"set the {room} light to {level}"},
    ]
    return given, {"role": "assistant", "tool_calls": [called]}


def supervised(*rooms: str) -> list[dict[str, Any]]:
    rows = []
    for level, room in enumerate(rooms, start=10):
        given, answer = turns(room, level)
        rows.append({"messages": [*given, answer], "tools": [tool()], "parallel_tool_calls": False})
    return rows


def test_training_and_validation_become_log_and_test(call: Call, tmp_path: Path) -> None:
    train = write_lines(tmp_path / "train.jsonl", supervised("hall", "office", "attic"))
    valid = write_lines(tmp_path / "valid.jsonl", supervised("cellar"))
    folder = tmp_path / "lights"
    assert call("import", "openai-finetune", train, folder, "--validation", valid).code == 0
    Path(train).unlink()
    Path(valid).unlink()
    task = read_task(folder)
    traces, _ = read_traces(task, RunKey.parse("lights.all"))
    assert [trace.calls[0].arguments["room"] for trace in traces] == ["hall", "office", "attic"]
    assert [case.request for case in task.test or ()] == ["set the cellar light to 10"]
    assert [one["function"]["name"] for one in task.tools] == ["set_light"]


def test_of_preferences_the_better_answer_is_read(call: Call, tmp_path: Path) -> None:
    given, answer = turns("hall", 20)
    worse = turns("hall", 99)[1]
    row = {
        "input": {"messages": given, "tools": [tool()], "parallel_tool_calls": True},
        "preferred_output": [answer],
        "non_preferred_output": [worse],
    }
    folder = tmp_path / "lights"
    assert call("import", "openai-finetune", write_lines(tmp_path / "dpo.jsonl", [row]), folder).code == 0
    traces, _ = read_traces(read_task(folder), RunKey.parse("lights.all"))
    assert [trace.calls[0].arguments["level"] for trace in traces] == [20]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "hi", "completion": "hello"}, "prompts and completions"),
        ({"question": "hi", "answer": "hello"}, "init --from"),
        (["no object"], "no JSON object"),
    ],
)
def test_other_files_are_refused_by_what_they_are(call: Call, tmp_path: Path, row: Any, said: str) -> None:
    found = call("import", "openai-finetune", write_lines(tmp_path / "other.jsonl", [row]), tmp_path / "new")
    assert found.code == 2
    assert said in found.err
    assert not (tmp_path / "new").exists()

"""A task folder made of files whose records have no field that all logs have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distil_dag_tests.cli.logs.some_logs import write_lines
from distil_dag_tests.cli.logs.test_init_from import light_of
from distil_dag_tests.cli.test_cli import Call, call
from distil_dag_tests.stages.reading.exports.test_batches import ROOMS, answered, asked
from distil_dag_tests.stages.reading.recorders.test_unknown_shapes import READ

__all__ = ["call"]


@pytest.mark.parametrize("name", ["Datadog", "Honeycomb", "AgentOps, spans", "Kong"])
def test_shapes_of_other_services(name: str, call: Call, tmp_path: Path) -> None:
    records: list[Any] = [
        json.loads(json.dumps(READ[name]).replace('"s"', f'"s{at}"').replace('"1"', f'"{at}"'))
        for at in range(4)
    ]
    said = call("init", "--from", write_lines(tmp_path / "log.jsonl", records), tmp_path / "new")
    assert said.code == 0, said.err
    assert list(light_of(tmp_path / "new")["parameters"]["properties"]) == ["room", "level"]


def test_the_two_files_of_a_batch(call: Call, tmp_path: Path) -> None:
    (tmp_path / "batch").mkdir()
    write_lines(tmp_path / "batch" / "requests.jsonl", [asked(room) for room in ROOMS])
    write_lines(tmp_path / "batch" / "results.jsonl", [answered(room) for room in ROOMS])
    said = call("init", "--from", tmp_path / "batch", tmp_path / "new", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert (told["survey"]["traces"]["kept"], told["tools_inferred"]) == (len(ROOMS), False)

"""The conversion of MASSIVE's annotations, and the benchmark's task folder."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import pytest

from distil_dag.adapters.tasks.folder import read_task
from distil_dag.core.answers.call_objects import read_call
from distil_dag.core.sources import FileSource
from distil_dag.stages.reading.case_files import read_cases
from distil_dag_tests.paths import EXAMPLES

EXAMPLE = EXAMPLES / "massive_iot"


@pytest.fixture(scope="module")
def from_hub() -> ModuleType:
    spec = importlib.util.spec_from_file_location("from_hub", EXAMPLE / "from_hub.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("annotated", "slots"),
    [
        ("make me a tea", {}),
        ("dim the [house_place : den]", {"house_place": "den"}),
        ("switch the [device_type : t. v.] on", {"device_type": "t. v."}),
        ("vacuum at [time : 7:30 p. m.] [date : tomorrow]", {"time": "7:30 p. m.", "date": "tomorrow"}),
        (
            "[color_type:red] light in [house_place :  my room ]",
            {"color_type": "red", "house_place": "my room"},
        ),
        ("[time : now] or [time : at six]", {"time": "at six"}),
        ("an [open bracket : never closed", {}),
    ],
)
def test_slots_become_arguments(from_hub: ModuleType, annotated: str, slots: dict[str, str]) -> None:
    assert from_hub.read_slots(annotated) == slots


def row(**changes: str) -> dict[str, str]:
    return {
        "id": "7",
        "scenario": "iot",
        "intent": "iot_hue_lightdim",
        "utt": "dim the den",
        "annot_utt": "dim the [house_place : den]",
        **changes,
    }


def test_a_row_becomes_a_conversation_that_the_task_accepts(from_hub: ModuleType) -> None:
    (made,) = from_hub.conversations([row(), row(scenario="alarm")])
    cases, problems = read_cases([json.dumps(made)], read_task(EXAMPLE).toolset)
    assert problems == []
    assert cases[0].id == "massive-7"
    assert cases[0].request == "dim the den"
    assert cases[0].calls[0].arguments == {"house_place": "den"}


def test_the_archives_file_is_converted_by_the_script(
    from_hub: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "en-US.jsonl", tmp_path / "log.jsonl"
    source.write_text(json.dumps(row()) + "\n\n" + json.dumps(row(scenario="alarm")) + "\n")
    monkeypatch.setattr("sys.argv", ["from_hub.py", str(target), "--source", str(source)])
    from_hub.main()
    assert [json.loads(line)["id"] for line in target.read_text().splitlines()] == ["massive-7"]


def test_the_log_is_named_by_the_environment() -> None:
    source = read_task(EXAMPLE).settings.traces
    assert isinstance(source, FileSource)
    assert source.path == "${DISTIL_DAG_MASSIVE_TRACES}"


def test_every_call_of_the_log_fits_the_tools() -> None:
    log = os.environ.get("DISTIL_DAG_MASSIVE_TRACES")
    if not log:
        pytest.skip("DISTIL_DAG_MASSIVE_TRACES names no log")
    toolset = read_task(EXAMPLE).toolset
    for line in Path(log).read_text(encoding="utf-8").splitlines():
        for call in json.loads(line)["messages"][-1].get("tool_calls", []):
            assert toolset.problems(read_call(call)) == []

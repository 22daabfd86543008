"""A task folder made of what a service has logged, as a user meets it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from distil_dag.adapters.logs.source import count_between, read_traces
from distil_dag.adapters.tasks.folder import read_task
from distil_dag.cli.run import run_key
from distil_dag.core.run_key import RunKey
from distil_dag.core.sources import KINDS
from distil_dag_tests.adapters.logs.apis import test_services as services
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.adapters.logs.apis.test_rest import START, record
from distil_dag_tests.cli.logs.some_logs import write_lines
from distil_dag_tests.cli.test_cli import Call, call

__all__ = ["call"]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-2")


def test_a_service_that_is_known(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "lights"
    with StandIn(services.Langfuse().answer) as service:
        said = call("init", "--from", f"langfuse:{service.url}", folder)
        assert said.code == 0, said.err
        task = read_task(folder)
        assert len(read_traces(task, RunKey.parse("lights.all"))[0]) == 5
        assert count_between(task, services.at(1), services.at(3)) == 2
        assert run_key(task, None, services.at(9)) == "lights.20261130T030900Z_19700101T000000Z"
        looked = call("look", folder, "--json")
        step = call("look", folder, "--record", "r3")
    settings = (folder / "task.yaml").read_text()
    assert f"  kind: langfuse\n  url: {service.url} " in settings
    assert "  # secret_key: ${LANGFUSE_SECRET_KEY} " in settings
    assert "no window" not in said.out
    assert [one["function"]["name"] for one in task.tools] == ["set_light"]
    assert task.description == "You control the lights of a house."
    assert json.loads(looked.out)["traces"]["kept"] == 5
    assert 'calls set_light {"room": "den", "level": 40}' in step.out
    for text in (said.out, said.err, settings, looked.out, step.out):
        assert "sk-lf-2" not in text


def test_any_api(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "lamps"
    with StandIn(lambda asked: Answer({"data": [record(n) for n in range(5)], "next": None})) as service:
        said = call("init", "--from", f"rest:{service.url}/logs", folder)
        assert said.code == 0, said.err
        task = read_task(folder)
        assert task.settings.traces.time_column == "created_at"
        assert count_between(task, START, START + timedelta(minutes=2)) == 2


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("rest", "write the address of the service behind its kind: rest:https://host"),
        ("rest:https://me:hunter2@host", "rest:https://me:***@host holds a secret"),
        ("rest:host/logs", "traces.url: host/logs is no address of a service"),
        ("openai", "needs the environment variable OPENAI_API_KEY, which is not set"),
        ("elsewhere", "there is no file elsewhere"),
    ],
)
def test_what_can_not_be_asked(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str, said: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = call("init", "--from", log, tmp_path / "new")
    assert found.code == 2
    assert said in " ".join(found.err.split())
    assert "hunter2" not in found.err
    assert not (tmp_path / "new").exists()


def test_a_file_of_that_name_is_a_file(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "langfuse", [services.GIVEN | {"id": 1, "response": services.GOT}])
    assert call("init", "--from", "langfuse", tmp_path / "new").code == 0
    assert read_task(tmp_path / "new").settings.traces.kind == "files"


def test_a_new_folder_and_a_wrong_one_name_all_kinds(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    call("init", folder)
    settings = (folder / "task.yaml").read_text()
    (folder / "task.yaml").write_text(settings.replace("kind: files", "kind: paper", 1))
    said = call("plan", folder)
    for kind in KINDS:
        assert kind in settings.partition("traces:")[0]
        assert kind in said.err.partition("is not allowed; one of:")[2]

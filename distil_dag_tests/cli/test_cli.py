"""The command as a user meets it: help, mistakes, and what a run says."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest
import yaml

from distil_dag.adapters.tasks.folder import read_task
from distil_dag.build import build_defs
from distil_dag.cli import main
from distil_dag.resources.deployment import deployment
from distil_dag_tests import stand_ins as good
from distil_dag_tests.automation.test_automation import write_task

COMMANDS = (
    "init",
    "look",
    "doctor",
    "run",
    "plan",
    "eval",
    "predict",
    "lineage",
    "runs",
    "serve",
    "champions",
    "promote",
    "rollback",
    "ui",
)


class Said(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["distil-dag", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert isinstance(code, int)
        return Said(code, *capsys.readouterr())

    return run


def distil_dag(*words: object, cwd: Path, **environ: str) -> Said:
    command = [sys.executable, "-c", "from distil_dag.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **environ})
    return Said(done.returncode, done.stdout, done.stderr)


def without_reader(stream: str, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command with one of its streams a pipe that nobody reads any more."""
    reads, writes = os.pipe()
    os.close(reads)
    try:
        command = [sys.executable, "-c", "from distil_dag.cli import main; main()", *map(str, words)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writes}
        return subprocess.run(command, cwd=cwd, text=True, check=False, **streams)
    finally:
        os.close(writes)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    write_task(tmp_path / "tasks" / "home", "home", 3)
    return tmp_path / "tasks" / "home"


def test_help_names_every_command(call: Call) -> None:
    said = call("--help")
    assert said.code == 0
    assert all(f" {command} " in said.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, call: Call) -> None:
    said = call(command, "--help")
    assert said.code == 0
    assert "Usage: distil-dag " + command in said.out


def test_help_is_quick_and_light(home: Path) -> None:
    script = (
        "import sys; sys.argv = ['distil-dag', '--help']\n"
        "from distil_dag.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted({'dagster', 'dlt', 'torch', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=home.parent)
    assert done.stdout.splitlines()[-1] == "[]"


def test_ui_says_that_its_port_is_taken(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = call("ui", "--port", port)
    assert said.code == 1
    assert f"127.0.0.1:{port} cannot be served" in said.err
    assert "choose another with --port" in said.err


def test_init_writes_a_task_that_can_be_read(call: Call, tmp_path: Path) -> None:
    said = call("init", tmp_path / "my task")
    assert said.code == 0
    assert "distil-dag run" in said.out
    assert read_task(tmp_path / "my task").name == "my_task"
    assert "task my_task" in {check["name"] for check in json.loads(call("doctor", "--json").out)["checks"]}


def test_init_overwrites_nothing_unasked(call: Call, tmp_path: Path) -> None:
    call("init", tmp_path / "mine")
    (tmp_path / "mine" / "task.yaml").write_text("precious")
    said = call("init", tmp_path / "mine")
    assert said.code == 2
    assert "--force" in said.err
    assert (tmp_path / "mine" / "task.yaml").read_text() == "precious"
    assert call("init", tmp_path / "mine", "--force").code == 0


def test_doctor_says_how_to_get_what_is_missing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "trl" else find_spec(name, *rest)
    )
    said = call("doctor", "--json")
    assert said.code == 1
    told = json.loads(said.out)
    assert not told["ready"]
    check = next(check for check in told["checks"] if check["name"] == "extra `train`")
    assert check["state"] == "missing"
    assert "pip install 'distil_dag[train]'" in check["fix"]


def test_doctor_says_whether_the_command_of_a_managed_server_is_here(
    call: Call, task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTIL_DAG_TASKS", str(task))
    settings = yaml.safe_load((task / "task.yaml").read_text())
    for executable, state in ((f"{sys.executable} -m served", "ok"), ("/nowhere/vllm serve", "warning")):
        settings["teacher"] = {"mode": "managed", "model": "a/b", "executable": executable}
        (task / "task.yaml").write_text(yaml.safe_dump(settings))
        checks = json.loads(call("doctor", "--json").out)["checks"]
        check = next(check for check in checks if check["name"] == "model server of home")
        assert check["state"] == state
        assert executable in check["found"]
    assert "teacher.executable" in check["fix"]
    del settings["teacher"]
    settings["evaluation"] = {"vllm": {"executable": "/nowhere/vllm serve"}}
    (task / "task.yaml").write_text(yaml.safe_dump(settings))
    checks = json.loads(call("doctor", "--json").out)["checks"]
    check = next(check for check in checks if check["name"] == "model server of home")
    assert check["state"] == "warning"
    assert "evaluation.vllm.executable" in check["fix"]


MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (("run", "nowhere"), "neither a folder nor the name of a known task"),
    (("run", "."), "task.yaml"),
    (("run", "tasks/home", "--run", "last week"), "is not a run key"),
    (("run", "tasks/home", "--run", "car.demo"), "key of task 'car', and this is 'home'"),
    (
        (
            "run",
            "tasks/home",
            "--run",
            "20261117T110000Z_20261110T110000Z",
            "--set",
            "traces.time_column=null",
        ),
        "asks for a window, and traces.time_column is not set",
    ),
    (("run", "tasks/home", "--set", "training.epochs"), "PATH=VALUE"),
    (("run", "tasks/home", "--set", "training.epoch=3"), "training.epoch"),
    (("run", "tasks/home", "--set", "training.epochs=-1"), "training.epochs"),
    (("run", "tasks/home", "--set", "gates.soft=[beats_bas]"), "beats_base"),
    (("eval", "cases.jsonl", "--task", "tasks/home"), "--model FILE.gguf or --endpoint URL"),
    (("eval", "cases.jsonl", "--task", "tasks/home", "--model", "x.gguf"), "cases.jsonl is not a file"),
    (("eval", "broken.jsonl", "--task", "tasks/home", "--model", "x.gguf"), "broken.jsonl:1"),
    (("eval", "empty.jsonl", "--task", "tasks/home", "--model", "x.gguf"), "holds no case"),
    (("predict", "--model", "x.gguf", "hello"), "x.gguf is not a file"),
    (("predict", "--model", "broken.jsonl", "hello"), "broken.jsonl"),
    (("lineage", "home.never"), "is no run of this installation"),
    (("lineage", "x.gguf"), "x.gguf is not a file"),
    (("lineage", "broken.jsonl"), "can't be read as GGUF"),
]


@pytest.mark.parametrize(("words", "expected"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_gets_one_clear_paragraph(
    words: tuple[str, ...], expected: str, call: Call, task: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.jsonl").write_text("{not json\n")
    (tmp_path / "empty.jsonl").write_text("\n")
    said = call(*words)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("distil-dag: ")
    assert expected in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "words", [("run",), ("fly",), ("run", "a", "--no-such-option"), ("predict", "hello")]
)
def test_wrong_usage_is_bad_input(words: tuple[str, ...], call: Call) -> None:
    said = call(*words)
    assert said.code == 2
    assert "Traceback" not in said.err


def test_debug_shows_where(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from distil_dag.cli import app

    def broken(json: bool) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr("distil_dag.cli.history.list_runs", broken)
    said = call("runs")
    assert (said.code, said.err) == (
        1,
        "distil-dag: RuntimeError: surprise\nDISTIL_DAG_DEBUG=1 shows where.\n",
    )
    monkeypatch.setenv("DISTIL_DAG_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["distil-dag", "runs"])
    with pytest.raises(RuntimeError, match="surprise"):
        app.main()


def test_no_runs_yet(call: Call) -> None:
    assert json.loads(call("runs", "--json").out) == []
    assert "distil-dag run TASK" in call("runs").out


def test_runs_fit_a_terminal_and_say_how_far_each_came(call: Call, home: Path) -> None:
    """Stand-ins for the assets, the real job and its real gates."""
    window = "home.20261113T000000Z_20261108T000000Z"
    few = good.TRACES_REPORT.model_copy(update={"kept": 1})
    with deployment().instance() as instance:
        for run, replaced, selection in (
            ("home.whole", {}, None),
            ("home.two", {}, [dg.AssetKey("traces"), dg.AssetKey("judged_seeds")]),
            (window, {"traces": few}, None),
        ):
            instance.add_dynamic_partitions("distil_runs", [run])
            job = build_defs(home, chain=good.stand_in_chain(replaced)).resolve_job_def("distil_run")
            job.execute_in_process(
                instance=instance, partition_key=run, asset_selection=selection, raise_on_error=False
            )
    lines = call("runs").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines == [line.rstrip() for line in lines]
    told = dict(zip(lines[::2], lines[1::2], strict=True))
    assert list(told) == [window, "home.two", "home.whole"]
    assert "failure of gate enough_traces · made traces" in told[window]
    assert "incomplete · made traces to judged_seeds" in told["home.two"]
    assert "success · exact match" in told["home.whole"]
    found = {
        row["run"]: (row["status"], row["failed_gates"]) for row in json.loads(call("runs", "--json").out)
    }
    assert found == {
        window: ("failure", ["enough_traces"]),
        "home.two": ("incomplete", []),
        "home.whole": ("success", []),
    }


@pytest.mark.parametrize("words", [("runs",), ("runs", "--json"), ("--help",)])
def test_a_reader_that_has_enough_is_no_failure(words: tuple[str, ...], home: Path) -> None:
    done = without_reader("stdout", *words, cwd=home.parent)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_outlives_the_reader_of_its_progress(task: Path, tmp_path: Path, home: Path) -> None:
    done = without_reader("stderr", "run", task, "--run", "demo", "--json", cwd=tmp_path)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert [gate["gate"] for gate in result["failed_gates"]] == ["enough_traces"]


def test_a_run_that_is_stopped_by_a_gate(task: Path, tmp_path: Path, home: Path) -> None:
    """The real chain, from another directory: three traces are not enough."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    said = distil_dag("run", task, "--run", "demo", "--set", "test.size=7", "--json", cwd=elsewhere)
    assert said.code == 1
    result = json.loads(said.out)
    assert (result["run"], result["success"], result["status"]) == ("home.demo", False, "failure")
    assert [gate["gate"] for gate in result["failed_gates"]] == ["enough_traces"]
    assert result["failed_stage"] is None
    assert list(result["stages"]) == ["traces", "traces_gates"]
    assert "gate enough_traces failed: 3 traces in the log; 50 needed" in said.err
    assert "Traceback" not in said.err

    listed = json.loads(distil_dag("runs", "--json", cwd=elsewhere).out)
    assert [(row["run"], row["status"]) for row in listed] == [("home.demo", "failure")]
    known = distil_dag("lineage", "home.demo", "--json", cwd=elsewhere)
    entry = json.loads(known.out)[0]
    assert (entry["asset"], entry["partition"], entry["run_id"]) == (
        "traces",
        "home.demo",
        result["dagster_run_id"],
    )
    assert entry["config"]["overrides"] == {"test.size": "7"}
    assert entry["config"]["traces"]["time_column"] == "at"
    assert entry["data_version"].startswith("sha256:")
    frozen = json.loads((home / "store" / "home.demo" / "traces" / "task.json").read_text())
    assert frozen["settings"]["test"]["size"] == 7
    # The task is known by its name from now on.
    assert "neither" not in distil_dag("run", "home", "--run", "a b", cwd=elsewhere).err

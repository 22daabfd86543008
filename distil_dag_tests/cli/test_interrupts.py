"""Runs that are ended from outside leave nothing at work, and can be started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
import pytest

from distil_dag.resources.deployment import deployment
from distil_dag_tests.automation.test_automation import write_task

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a step learns of its run's death from Linux"),
]

# The chain shrunk to one step that works until it is told to stop, under the project's executor.
_DEFINITIONS = """
import os, time
from pathlib import Path
import dagster as dg
from distil_dag.automation.jobs import step_processes
from distil_dag.resources.asset_defaults import RUNS, TRAINING_RETRY

@dg.asset(partitions_def=RUNS, pool="training", retry_policy=TRAINING_RETRY)
def checkpoint(context: dg.AssetExecutionContext) -> None:
    Path("pid").write_text(str(os.getpid()))
    while not Path("enough").exists():
        time.sleep(0.1)

@dg.definitions
def defs():
    job = dg.define_asset_job("distil_run", selection=["checkpoint"])
    return dg.Definitions(assets=[checkpoint], jobs=[job], executor=step_processes)
"""
# The same with the settings of a run in its first asset, and its last one at work.
_EVALUATION = """
import os, time
from pathlib import Path
import dagster as dg
from distil_dag.automation.jobs import step_processes
from distil_dag.resources.asset_defaults import RUNS, TEACHER_RETRY

class Chosen(dg.Config):
    overrides: dict[str, str]

@dg.asset(partitions_def=RUNS)
def traces(config: Chosen) -> None:
    pass

@dg.asset(partitions_def=RUNS, deps=[traces], retry_policy=TEACHER_RETRY)
def eval_report() -> None:
    Path("pid").write_text(str(os.getpid()))
    time.sleep(600)

@dg.definitions
def defs():
    job = dg.define_asset_job("distil_run", selection=["traces", "eval_report"])
    return dg.Definitions(assets=[traces, eval_report], jobs=[job], executor=step_processes)
"""
_COMMAND = """
from distil_dag.cli import execution, main

execution._MODULE = "small_chain"
if __name__ == "__main__":
    main()
"""
_RUN = """
from rich.console import Console

from distil_dag.cli import execution
from distil_dag.cli.live import Story
from distil_dag.resources.deployment import deployment

execution._MODULE = "small_chain"
if __name__ == "__main__":
    places = deployment()
    with places.instance() as instance:
        run = execution.execute(instance, places, "home.a", {}, Story(Console()).tell)
    print(run.status.value)
"""


def until(what: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start(
    folder: Path, chain: str = _DEFINITIONS, script: str = _RUN, words: Sequence[str] = ()
) -> tuple[subprocess.Popen[str], int]:
    """The command's process and that of its step, once it is at work."""
    (folder / "small_chain.py").write_text(chain)
    (folder / "run.py").write_text(script)
    (folder / "pid").unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "run.py", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: ((folder / "pid").exists() and (folder / "pid").read_text()) or process.poll() is not None)
    return process, int((folder / "pid").read_text())


def statuses() -> list[str]:
    with deployment().instance() as instance:
        return [run.status.value for run in instance.get_runs()]


def finish(folder: Path) -> None:
    (folder / "enough").touch()
    process, _ = start(folder)
    assert process.communicate(timeout=60)[0].strip().splitlines()[-1] == "SUCCESS"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_the_run(number: signal.Signals, home: Path) -> None:
    process, step = start(home.parent)
    process.send_signal(number)
    told = process.communicate(timeout=60)[0].strip().splitlines()
    assert [line.strip() for line in told] == ["checkpoint", "stopped checkpoint", "CANCELED"]
    until(lambda: not alive(step), 10)
    assert statuses() == ["CANCELED"]
    finish(home.parent)


def test_an_interrupted_evaluation_shows_no_report_and_how_to_go_on(home: Path) -> None:
    write_task(home.parent / "tasks" / "home", "home", 3)
    settings = ["--set", "gates.soft=[enough_traces]", "--set", "budget.tokens=7"]
    process, _ = start(home.parent, _EVALUATION, _COMMAND, ["run", "tasks/home", "--run", "a", *settings])
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert told == (
        "canceled: interrupted\n"
        "`distil-dag run home --run home.a --set 'gates.soft=[enough_traces]' --set budget.tokens=7` goes on "
        "from here: what does not change is not done, nor paid for, again.\n"
    )


def test_a_killed_run_takes_its_steps_along_and_makes_room(home: Path) -> None:
    process, step = start(home.parent)
    process.kill()
    process.wait()
    until(lambda: not alive(step), 10)
    assert statuses() == ["STARTED"]
    finish(home.parent)
    assert statuses() == ["SUCCESS", "FAILURE"]


def test_one_key_is_run_once_at_a_time(home: Path) -> None:
    process, step = start(home.parent)
    second = subprocess.run([sys.executable, "run.py"], cwd=home.parent, capture_output=True, text=True)
    assert second.returncode != 0
    assert "home.a is already being run by another distil-dag process" in second.stderr
    assert alive(step)
    process.send_signal(signal.SIGINT)
    process.wait(60)


@pytest.mark.parametrize("how", ["report_run_canceling", "report_run_canceled"])
def test_a_run_that_is_ended_in_the_ui_stops(how: str, home: Path) -> None:
    process, step = start(home.parent)
    with deployment().instance() as instance:
        run = instance.get_runs()[0]
        assert run.status is dg.DagsterRunStatus.STARTED
        getattr(instance, how)(run)
    process.communicate(timeout=60)
    until(lambda: not alive(step), 10)
    assert statuses() == ["CANCELED"]
    assert os.path.exists(home / "locks" / "home.a.lock")

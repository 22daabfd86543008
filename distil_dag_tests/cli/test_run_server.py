"""The steps of a run share one model server, which ends before training and with the run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from distil_dag.adapters.system.processes import ProcessMark
from distil_dag.adapters.vllm.record import RECORD_FILE, ServerRecord
from distil_dag_tests.cli.test_interrupts import until
from distil_dag_tests.paths import FAKE_VLLM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a step learns of its run's death from Linux"),
]


# Two steps with a teacher and one that trains, each in its own process, under the project's executor.
_DEFINITIONS = f"""
import time
from pathlib import Path
import dagster as dg
from distil_dag.automation.jobs import step_processes
from distil_dag.core.case import Message
from distil_dag.core.settings import ModelSpec
from distil_dag.core.settings import ModelSpec
from distil_dag.resources.asset_defaults import RUNS
from distil_dag.resources.models import ModelsResource
from distil_dag.stages.ports import Prompt

SPEC = ModelSpec(mode="managed", model="a/model", executable={f"{sys.executable} {FAKE_VLLM}"!r})

def ask(models: ModelsResource, text: str) -> None:
    with models.chat(SPEC) as chat:
        (reply,) = chat.generate([Prompt((Message(role="user", content=text),))])
        assert reply.text == text[::-1], reply

@dg.asset(partitions_def=RUNS)
def judged_seeds(models: ModelsResource) -> dg.MaterializeResult:
    ask(models, "judge")
    return dg.MaterializeResult(metadata=models.metadata())

@dg.asset(partitions_def=RUNS, deps=[judged_seeds])
def synthetic_set(models: ModelsResource) -> None:
    ask(models, "word")
    Path("at_work").touch()
    while not Path("enough").exists():
        time.sleep(0.1)

@dg.asset(partitions_def=RUNS, deps=[synthetic_set])
def checkpoint(models: ModelsResource) -> None:
    models.release()

@dg.definitions
def defs():
    job = dg.define_asset_job("distil_run", selection="*")
    teacher = ModelsResource(cache_root=str(Path("home/cache").absolute()))
    assets = [judged_seeds, synthetic_set, checkpoint]
    made = {{"models": teacher}}
    return dg.Definitions(assets=assets, jobs=[job], executor=step_processes, resources=made)
"""
_RUN = """
from distil_dag.cli import execution
from distil_dag.resources.deployment import deployment

execution._MODULE = "taught_chain"

def tell(events):
    for event in events:
        print(event.message, flush=True)

if __name__ == "__main__":
    places = deployment()
    with places.instance() as instance:
        run = execution.execute(instance, places, "home.a", {}, tell)
    print(run.status.value)
"""


def start(folder: Path) -> subprocess.Popen[str]:
    (folder / "taught_chain.py").write_text(_DEFINITIONS)
    (folder / "run.py").write_text(_RUN)
    return subprocess.Popen(
        [sys.executable, "run.py"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def record_of(home: Path) -> ServerRecord:
    (path,) = (home / "servers").glob(f"*/*/{RECORD_FILE}")
    record = ServerRecord.read(path.parent)
    assert record is not None
    return record


def test_its_steps_share_one_start_and_training_finds_it_gone(home: Path) -> None:
    (home.parent / "enough").touch()
    process = start(home.parent)
    said, _ = process.communicate(timeout=300)
    assert said.strip().endswith("SUCCESS"), said
    record = record_of(home)
    assert (record.starts, record.state, record.reason) == (1, "stopped", "it was released")
    assert said.count("starting a/model with") == 1
    assert "ended 1 model server of this run" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_run_that_is_ended(number: signal.Signals, home: Path) -> None:
    process = start(home.parent)
    until(lambda: (home.parent / "at_work").exists() or process.poll() is not None, 300)
    record = record_of(home)
    started = [ProcessMark.of(child.pid) for child in psutil.Process(process.pid).children(recursive=True)]
    marks = [mark for mark in (*started, record.supervisor, *record.processes) if mark]
    assert len(record.processes) == 2
    process.send_signal(number)
    process.communicate(timeout=300)
    until(lambda: not any(mark.alive() for mark in marks), 120)

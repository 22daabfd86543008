"""Runs killed in the terminal give their place in a pool back, and who waits for it says for whom."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from distil_dag.automation.housekeeping import housekeeping
from distil_dag.resources.deployment import deployment
from distil_dag.resources.tasks import TasksResource
from distil_dag_tests.cli.test_interrupts import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a step learns of its run's death from Linux"),
]

# Two steps in a pool. Each says that it is at work, and goes on when it may.
_CHAIN = """
import time
from pathlib import Path
import dagster as dg
from distil_dag.automation.jobs import step_processes
from distil_dag.resources.asset_defaults import RUNS

def step(name, before):
    @dg.asset(name=name, partitions_def=RUNS, deps=before, pool="training")
    def at_work(context: dg.AssetExecutionContext) -> None:
        Path(f"{context.partition_key}-{name}").touch()
        while not Path(f"{name}-may-end").exists():
            time.sleep(0.1)
    return at_work

@dg.definitions
def defs():
    job = dg.define_asset_job("distil_run", selection=["checkpoint", "gguf"])
    chain = [step("checkpoint", []), step("gguf", ["checkpoint"])]
    return dg.Definitions(assets=chain, jobs=[job], executor=step_processes)
"""
_RUN = """
import sys
from functools import partial

from rich.console import Console

from distil_dag.cli import execution
from distil_dag.cli.live import Story
from distil_dag.cli.pools import holders
from distil_dag.resources.deployment import deployment

execution._MODULE = "small_chain"
execution._BURY_SECONDS = 1.0
if __name__ == "__main__":
    places = deployment()
    with places.instance() as instance:
        story = Story(Console(width=200), partial(holders, instance))
        run = execution.execute(instance, places, sys.argv[1], {}, story.tell)
    print(run.status.value)
"""


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    (home.parent / "small_chain.py").write_text(_CHAIN)
    (home.parent / "run.py").write_text(_RUN)
    with deployment().instance() as opened:
        yield opened


def start(folder: Path, key: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "run.py", key]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("point", ["created", "checkpoint", "gguf"])
def test_the_daemon_lets_the_ui_go_on(point: str, instance: dg.DagsterInstance, home: Path) -> None:
    folder = home.parent
    if point == "gguf":
        (folder / "checkpoint-may-end").touch()
    process = start(folder, "home.a")
    until(lambda: instance.get_runs() if point == "created" else (folder / f"home.a-{point}").exists(), 300)
    process.kill()
    process.wait()
    housekeeping(dg.build_sensor_context(instance=instance), tasks=TasksResource(folders=[]))
    assert [run.status.value for run in instance.get_runs()] == ["FAILURE"]
    assert not instance.event_log_storage.get_concurrency_info("training").claimed_slots


def test_a_terminal_says_for_whom_it_waits_and_goes_on_when_that_was_killed(
    instance: dg.DagsterInstance, home: Path
) -> None:
    folder = home.parent
    first = start(folder, "home.a")
    until(lambda: (folder / "home.a-checkpoint").exists(), 300)
    (holder,) = instance.get_runs()
    second = start(folder, "home.b")
    assert second.stdout is not None
    told = second.stdout.readline().strip()
    assert told == f"checkpoint: waits for pool training, held by home.a (Dagster run {holder.run_id[:8]})"
    first.kill()
    first.wait()
    for name in ("checkpoint", "gguf"):
        (folder / f"{name}-may-end").touch()
    said, _ = second.communicate(timeout=300)
    assert said.strip().splitlines()[-1] == "SUCCESS"
    assert (folder / "home.b-gguf").exists()

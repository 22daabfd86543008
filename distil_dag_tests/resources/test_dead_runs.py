"""Runs whose process was killed are ended and leave their pools; the living are left alone."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from distil_dag.automation.housekeeping import housekeeping
from distil_dag.resources.dead_runs import bury_dead_runs, keep_alive
from distil_dag.resources.deployment import deployment
from distil_dag.resources.tasks import TasksResource

_HOLDER = """
import sys, time
from pathlib import Path
from distil_dag.resources.dead_runs import keep_alive

keep_alive(Path(sys.argv[1]), sys.argv[2])
print("alive", flush=True)
time.sleep(600)
"""


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with deployment().instance() as opened:
        yield opened


def add_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> str:
    run = dg.DagsterRun(job_name="distil_run", run_id=str(uuid.uuid4()), status=status)
    instance.add_run(run)
    if status is dg.DagsterRunStatus.STARTED:
        instance.event_log_storage.initialize_concurrency_limit_to_default("training")
        instance.event_log_storage.claim_concurrency_slot("training", run.run_id, "checkpoint")
    return run.run_id


def held(instance: dg.DagsterInstance) -> set[str]:
    return instance.event_log_storage.get_concurrency_info("training").active_run_ids


def killed(home: Path, *run_ids: str) -> None:
    """Let a process of each run take its lock, and kill it."""
    for run_id in run_ids:
        command = [sys.executable, "-c", _HOLDER, str(home), run_id]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "alive\n"
        process.kill()
        process.wait()


def test_the_daemon_buries_what_was_killed(instance: dg.DagsterInstance, home: Path) -> None:
    lost, ending = (add_run(instance, dg.DagsterRunStatus[name]) for name in ("STARTED", "CANCELING"))
    assert held(instance) == {lost}
    killed(home, lost, ending)
    context = dg.build_sensor_context(instance=instance)
    tick = housekeeping(context, tasks=TasksResource(folders=[]))
    assert isinstance(tick, dg.SkipReason)
    assert lost in (tick.skip_message or "")
    assert held(instance) == set()
    statuses = {run.run_id: run.status.value for run in instance.get_runs()}
    assert statuses == {lost: "FAILURE", ending: "CANCELED"}
    assert bury_dead_runs(instance, home) == []


def test_the_living_and_the_unknown_are_left_alone(instance: dg.DagsterInstance, home: Path) -> None:
    living, elsewhere = (add_run(instance, dg.DagsterRunStatus[name]) for name in ("STARTED", "STARTING"))
    keep_alive(home, living)
    keep_alive(home, living)
    killed(home, str(uuid.uuid4()))
    assert bury_dead_runs(instance, home) == []
    statuses = {run.run_id: run.status.value for run in instance.get_runs()}
    assert statuses == {living: "STARTED", elsewhere: "STARTING"}
    assert held(instance) == {living}

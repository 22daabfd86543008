"""Partitions whose key can't be right are removed after a while; all others stay."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from distil_dag.automation import housekeeping as module
from distil_dag.automation.housekeeping import housekeeping
from distil_dag.resources.deployment import deployment
from distil_dag.resources.tasks import TasksResource
from distil_dag_tests.automation.test_automation import write_task

RIGHT = ["home.first", "home.20261124T110000Z_20261117T110000Z", "broken.first"]
WRONG = ["hoem.first", "home.first try", "20261124T110000Z", "timeless.20261124T110000Z_20261117T110000Z"]


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """On disk: a tick of the daemon needs an instance that another process could open."""
    with deployment().instance() as opened:
        yield opened


@pytest.fixture
def tasks(home: Path) -> TasksResource:
    folder = home.parent / "tasks"
    write_task(folder / "home", "home", 3)
    write_task(folder / "broken", "broken", 3, epochs=3)
    write_task(folder / "timeless", "timeless", 3)
    settings = json.loads((folder / "timeless" / "task.yaml").read_text())
    del settings["traces"]["time_column"]
    (folder / "timeless" / "task.yaml").write_text(json.dumps(settings))
    return TasksResource(folders=[str(folder)])


def tick(instance: dg.DagsterInstance, tasks: TasksResource) -> tuple[str, str | None]:
    context = dg.build_sensor_context(instance=instance, resources={"tasks": tasks})
    skipped = housekeeping(context)
    assert isinstance(skipped, dg.SkipReason)
    return skipped.skip_message or "", context.cursor


def test_what_was_just_typed_stays_for_a_while(instance: dg.DagsterInstance, tasks: TasksResource) -> None:
    instance.add_dynamic_partitions("distil_runs", [*RIGHT, *WRONG])
    said, cursor = tick(instance, tasks)
    assert said == "Nothing to put right."
    assert set(json.loads(cursor or "{}")) == set(WRONG)
    assert set(instance.get_dynamic_partitions("distil_runs")) == {*RIGHT, *WRONG}


def test_only_keys_that_can_not_be_right_go(
    instance: dg.DagsterInstance, tasks: TasksResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.0)
    made, running = "gone.made", "gone.running"
    instance.add_dynamic_partitions("distil_runs", [*RIGHT, *WRONG, made, running])
    instance.report_runless_asset_event(dg.AssetMaterialization("judged_seeds", partition=made))
    at_work = dg.DagsterRun(
        job_name="distil_run",
        run_id=str(uuid.uuid4()),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": running},
    )
    instance.add_run(at_work)
    said, _ = tick(instance, tasks)
    assert set(instance.get_dynamic_partitions("distil_runs")) == {*RIGHT, made, running}
    assert "Removed the partition 'hoem.first': no task is called 'hoem'" in said


def test_without_tasks_nothing_goes(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.0)
    instance.add_dynamic_partitions("distil_runs", WRONG)
    assert tick(instance, TasksResource(folders=[]))[0] == "Nothing to put right."
    assert set(instance.get_dynamic_partitions("distil_runs")) == set(WRONG)

"""The sensor and the schedule, against a real log of files and real run records."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from distil_dag.automation.schedules import retrain_weekly
from distil_dag.automation.sensors import new_traces, past_runs
from distil_dag.build import build_defs
from distil_dag.core.run_key import RunKey
from distil_dag.core.run_plan import BEGINNING
from distil_dag.resources.asset_defaults import PARTITION_TAG
from distil_dag.resources.tasks import TasksResource
from distil_dag_tests import stand_ins as good

HOUR = timedelta(hours=1)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """On disk: a tick of the daemon needs an instance that another process could open."""
    folder = tmp_path / "instance"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as temporary:
        yield temporary


def write_task(folder: Path, name: str, logged: int, ahead: timedelta = timedelta(), **settings: Any) -> None:
    """A task whose log has one trace an hour, up to now, by a clock that is `ahead`."""
    folder.mkdir(parents=True)
    now = datetime.now(UTC) + ahead
    rows = [
        {
            "id": str(n),
            "at": (now - n * HOUR - timedelta(minutes=1)).isoformat(),
            "messages": [
                {"role": "user", "content": f"turn on lamp {n}"},
                {"role": "assistant", "content": "", "tool_calls": [good.turn_on(f"lamp {n}").model_dump()]},
            ],
        }
        for n in range(logged)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"kind": "files", "path": "log.jsonl", "id_column": "id", "time_column": "at"}
    (folder / "task.yaml").write_text(json.dumps({"name": name, "traces": source, **settings}))
    job = {"task_description": "Controls the devices of a home.", "tools": good.TOOLS}
    (folder / "job_description.json").write_text(json.dumps(job))


def tick(instance: dg.DagsterInstance, folder: Path) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance)
    result = new_traces(context, tasks=TasksResource(folders=[str(folder)]))
    assert isinstance(result, dg.SensorResult)
    return result


def requested(instance: dg.DagsterInstance, result: dg.SensorResult, status: dg.DagsterRunStatus) -> str:
    """Do what the daemon would do with the request, and let the run end so."""
    for addition in result.dynamic_partitions_requests or []:
        assert isinstance(addition, dg.AddDynamicPartitionsRequest)
        instance.add_dynamic_partitions(addition.partitions_def_name, addition.partition_keys)
    request = (result.run_requests or [])[0]
    key = str(request.partition_key)
    instance.add_run(
        dg.DagsterRun(
            job_name="distil_run",
            run_id=str(uuid.uuid4()),
            status=status,
            tags={"dagster/partition": key},
        )
    )
    return key


def reason(result: dg.SensorResult) -> str:
    assert result.skip_reason is not None
    return str(result.skip_reason.skip_message)


def test_a_run_is_requested_when_enough_has_come_in(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    write_task(tmp_path / "tasks" / "home", "home", 20, automation={"new_traces": 20})
    result = tick(instance, tmp_path / "tasks")
    assert [request.run_key for request in result.run_requests or []] == [
        f"{request.partition_key}#0" for request in result.run_requests or []
    ]
    key = RunKey.parse(requested(instance, result, dg.DagsterRunStatus.SUCCESS))
    assert key.task == "home"
    assert instance.get_dynamic_partitions("distil_runs") == [str(key)]
    again = tick(instance, tmp_path / "tasks")
    assert not again.run_requests
    # Within the same second the newest window has not even ended.
    assert re.search("0 of 20 new traces|the newest window ends", reason(again))


def test_traces_dated_ahead_of_now_are_not_asked_for_again_and_again(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    write_task(tmp_path / "home", "home", 50, ahead=8 * HOUR, automation={"new_traces": 5})
    requested(instance, tick(instance, tmp_path / "home"), dg.DagsterRunStatus.SUCCESS)
    time.sleep(1.1)  # a window ends at a whole second
    assert "0 of 5 new traces" in reason(tick(instance, tmp_path / "home"))


def test_too_few_is_a_reason(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    write_task(tmp_path / "tasks" / "home", "home", 19, automation={"new_traces": 20})
    assert reason(tick(instance, tmp_path / "tasks")) == "home: 19 of 20 new traces so far"


def test_it_waits_for_the_run_under_way(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    write_task(tmp_path / "tasks" / "home", "home", 20, automation={"new_traces": 1})
    key = requested(instance, tick(instance, tmp_path / "tasks"), dg.DagsterRunStatus.STARTED)
    assert reason(tick(instance, tmp_path / "tasks")) == f"home: {key} is under way"


def test_broken_folders_and_logs_hold_nothing_up(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    write_task(tasks / "home", "home", 20, automation={"new_traces": 20})
    write_task(tasks / "gone", "gone", 0)
    (tasks / "gone" / "log.jsonl").unlink()
    write_task(tasks / "bad", "bad", 0, epochs=3)
    result = tick(instance, tasks)
    assert [RunKey.parse(str(r.partition_key)).task for r in result.run_requests or []] == ["home"]
    (tasks / "home" / "log.jsonl").unlink()
    said = reason(tick(instance, tasks))
    assert all(f"{name}: can't be read" in said for name in ("home", "gone", "bad"))


@pytest.mark.parametrize(
    ("module", "call", "place"),
    [
        (os, "stat", "lost+found/task.yaml"),
        (os, "listdir", "lost+found"),
        (os, "stat", "bad/test.jsonl"),
        (io, "open", "bad/task.yaml"),
        (io, "open", "bad/test.jsonl"),
    ],
)
def test_what_may_not_be_read_holds_nothing_up(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    module: ModuleType, call: str, place: str,
) -> None:  # fmt: skip
    tasks = tmp_path / "tasks"
    write_task(tasks / "bad", "bad", 0)
    write_task(tasks / "home", "home", 20, automation={"new_traces": 20})
    (tasks / "bad" / "test.jsonl").touch()
    (tasks / "lost+found").mkdir()
    real = getattr(module, call)

    def refusing(path: Any, *args: Any, **more: Any) -> Any:
        """What the file system says to a user without rights there; tests may run as root."""
        if path in (tasks / place, str(tasks / place)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *args, **more)

    monkeypatch.setattr(module, call, refusing)
    names = TasksResource(folders=[str(tasks / "lost+found"), str(tasks)]).names()
    assert names == ["bad", "home"]
    result = tick(instance, tasks)
    assert [RunKey.parse(str(r.partition_key)).task for r in result.run_requests or []] == ["home"]


def test_a_reason_stays_short(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    write_task(tmp_path / "home", "home", 5)
    wrong = {"question": "go", "answer": [{"name": "gone_tool", "arguments": {}}]}
    (tmp_path / "home" / "test.jsonl").write_text(1000 * (json.dumps(wrong) + "\n"))
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime.now(UTC))
    skipped = retrain_weekly(context, tasks=TasksResource(folders=[str(tmp_path / "home")]))
    assert isinstance(skipped, dg.SkipReason)
    for said in (reason(tick(instance, tmp_path / "home")), str(skipped.skip_message)):
        assert "gone_tool" in said
        assert len(said) <= 500


def test_a_log_without_times_is_left_to_its_user(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    write_task(tmp_path / "home", "home", 20)
    settings = json.loads((tmp_path / "home" / "task.yaml").read_text())
    del settings["traces"]["time_column"]
    (tmp_path / "home" / "task.yaml").write_text(json.dumps(settings))
    assert "no time column" in reason(tick(instance, tmp_path / "home"))


def test_the_schedule_takes_the_last_days(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    write_task(tmp_path / "home", "home", 100, gates={"min_traces": 24}, automation={"window_days": 2})
    write_task(tmp_path / "small", "small", 100, gates={"min_traces": 49}, automation={"window_days": 2})
    now = datetime.now(UTC)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=now)
    tasks = TasksResource(folders=[str(tmp_path / "home"), str(tmp_path / "small")])
    requests = retrain_weekly(context, tasks=tasks)
    assert isinstance(requests, list)
    assert [request.run_key for request in requests] == [request.tags[PARTITION_TAG] for request in requests]
    key = RunKey.parse(requests[0].tags[PARTITION_TAG])
    assert len(requests) == 1
    assert key.task == "home"
    assert key.since is not None
    assert key.until == now.replace(microsecond=0)
    assert key.until - key.since == timedelta(days=2)


def test_a_preview_of_the_schedule_adds_no_partition_and_its_run_does(
    instance: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page previews a tick by evaluating it, as the daemon does."""
    write_task(home.parent / "tasks", "home", 100, automation={"window_days": 2}, gates={"min_traces": 24})
    monkeypatch.setenv("DISTIL_DAG_TASKS", str(home.parent / "tasks"))
    repository = build_defs(home).get_repository_def()
    schedule = repository.get_schedule_def("retrain_weekly")
    with dg.build_schedule_context(
        instance=instance, repository_def=repository, resources=repository.get_top_level_resources(),
        scheduled_execution_time=datetime.now(UTC),
    ) as context:  # fmt: skip
        (request,) = schedule.evaluate_tick(context).run_requests or []
    assert instance.get_dynamic_partitions("distil_runs") == []
    job = repository.get_job("distil_run")
    job.execute_in_process(instance=instance, tags=request.tags, op_selection=["traces"])
    assert instance.get_dynamic_partitions("distil_runs") == [request.run_key]
    materialized = instance.get_latest_materialization_event(dg.AssetKey("traces"))
    assert materialized is not None
    assert materialized.asset_materialization.partition == request.run_key


def test_the_schedule_counts_no_more_than_its_window(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    write_task(tmp_path / "home", "home", 100, gates={"min_traces": 24}, automation={"window_days": 7})
    missed = datetime.now(UTC) - timedelta(days=14)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=missed)
    skipped = retrain_weekly(context, tasks=TasksResource(folders=[str(tmp_path / "home")]))
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "home: 0 traces in 7 days"


def test_the_schedule_says_why_it_skips(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    write_task(tmp_path / "small", "small", 10)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime.now(UTC))
    skipped = retrain_weekly(context, tasks=TasksResource(folders=[str(tmp_path / "small")]))
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "small: 10 traces in 7 days"


# --- which Dagster runs are runs of a task --------------------------------------------------


def add_run(instance: dg.DagsterInstance, key: str, *assets: str, **changes: Any) -> None:
    """A Dagster run that has ended well: of these assets, as the UI starts it, or of the whole job."""
    selection = {dg.AssetKey(name) for name in assets}
    made = {"job_name": "__ASSET_JOB", "asset_selection": selection} if assets else {"job_name": "distil_run"}
    changes = {"status": dg.DagsterRunStatus.SUCCESS, **made, **changes}
    run = dg.DagsterRun(run_id=str(uuid.uuid4()), tags={"dagster/partition": key}, **changes)
    instance.add_dynamic_partitions("distil_runs", [key])
    instance.add_run(run)
    if "traces" in assets:
        instance.report_runless_asset_event(dg.AssetMaterialization("traces", partition=key))


def states(instance: dg.DagsterInstance, task: str = "home") -> list[str]:
    return [run.state for run in past_runs(instance, task, [task])]


def test_a_part_of_the_chain_is_no_model(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Its traces would be in no model if the next window started behind them."""
    write_task(tmp_path / "home", "home", 40, automation={"new_traces": 10})
    until = (datetime.now(UTC) - 10 * HOUR).replace(microsecond=0)
    add_run(instance, str(RunKey("home", BEGINNING, until)), "traces")
    requests = tick(instance, tmp_path / "home").run_requests or []
    assert [RunKey.parse(str(request.partition_key)).since for request in requests] == [BEGINNING]


def test_the_job_makes_a_model_unless_a_gate_ends_it(instance: dg.DagsterInstance, home: Path) -> None:
    few = good.TRACES_REPORT.model_copy(update={"kept": 1})
    for run, replaced in (("home.good", {}), ("home.gated", {"traces": few})):
        instance.add_dynamic_partitions("distil_runs", [run])
        job = build_defs(home, chain=good.stand_in_chain(replaced)).resolve_job_def("distil_run")
        job.execute_in_process(instance=instance, partition_key=run, raise_on_error=False)
    assert {str(run.key): run.state for run in past_runs(instance, "home", ["home"])} == {
        "home.good": "succeeded",
        "home.gated": "failed",
    }


def test_a_step_of_the_job_alone_is_no_model(instance: dg.DagsterInstance) -> None:
    add_run(instance, "home.first", step_keys_to_execute=["traces"])
    assert states(instance) == ["failed"]
    add_run(instance, "home.second", step_keys_to_execute=["gguf", "eval_report"])
    assert states(instance) == ["succeeded", "failed"]


def test_a_report_done_again_covers_what_was_read_for_it(instance: dg.DagsterInstance) -> None:
    add_run(instance, "home.first", "traces", "eval_report")
    first = past_runs(instance, "home", ["home"])
    time.sleep(0.01)
    add_run(instance, "home.first", "eval_report")
    again, same = past_runs(instance, "home", ["home"])
    assert [same] == first
    assert again.state == "succeeded"
    assert timedelta() <= again.covers_until - same.covers_until < timedelta(seconds=1)
    snapshot = instance.get_latest_materialization_event(dg.AssetKey("traces"))
    assert snapshot is not None
    assert again.covers_until.timestamp() == pytest.approx(snapshot.timestamp, abs=1e-3)


def test_a_deleted_partition_does_not_hide_its_run(instance: dg.DagsterInstance) -> None:
    add_run(instance, "home.first", status=dg.DagsterRunStatus.STARTED)
    instance.delete_dynamic_partition("distil_runs", "home.first")
    assert states(instance) == ["running"]


def test_a_run_of_a_task_with_a_like_name_is_another_tasks(instance: dg.DagsterInstance) -> None:
    add_run(instance, "my_home.first")
    add_run(instance, "my-home.first")
    add_run(instance, "my_home.no key at all")
    assert states(instance, "my_home") == states(instance, "my-home") == ["succeeded"]


def test_a_key_without_its_task_is_the_only_tasks(instance: dg.DagsterInstance) -> None:
    add_run(instance, "first", status=dg.DagsterRunStatus.STARTED)
    assert [(str(run.key), run.state) for run in past_runs(instance, "home", ["home"])] == [
        ("home.first", "running")
    ]
    assert [str(run.key) for run in past_runs(instance, "first", ["home", "first"])] == ["first.first"]
    assert past_runs(instance, "home", ["home", "car"]) == past_runs(instance, "car", ["home", "car"]) == []


def test_a_window_far_ahead_does_not_silence_its_task(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    write_task(tmp_path / "home", "home", 20, automation={"new_traces": 20})
    far = datetime(2126, 1, 1, tzinfo=UTC)
    add_run(instance, str(RunKey("home", BEGINNING, far)), status=dg.DagsterRunStatus.FAILURE)
    time.sleep(1.1)  # a window ends at a whole second
    assert "0 of 20 new traces" in reason(tick(instance, tmp_path / "home"))

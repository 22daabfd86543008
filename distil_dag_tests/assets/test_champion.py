"""The champion of a task: the first student, by hand, taken back; and the sensor that brings challengers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from distil_dag.adapters.run_store import RunStore
from distil_dag.assets.champion import champion
from distil_dag.automation.challengers import challengers
from distil_dag.build import build_defs
from distil_dag.core.promotion import Decision
from distil_dag.resources.asset_defaults import CHALLENGER_TAG, PARTITION_TAG, RUNS, TASKS
from distil_dag.resources.store import StoreResource
from distil_dag.resources.tasks import TasksResource
from distil_dag.runs.releasing.releases import keep_decision, read_champions
from distil_dag.runs.releasing.standings import champion as served
from distil_dag_tests.assets.test_leaderboard import evaluated
from distil_dag_tests.automation.test_automation import write_task


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    write_task(tmp_path / "tasks" / "home", "home", 2)
    return RunStore(tmp_path / "store")


def tasks_of(store: RunStore) -> TasksResource:
    return TasksResource(folders=[str(Path(store.root.path).parent / "tasks")])


def materialize(instance: dg.DagsterInstance, store: RunStore, **config: Any) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions(str(TASKS.name), ["home"])
    return dg.materialize(
        [champion, dg.AssetSpec("eval_report", partitions_def=RUNS)],
        selection=["champion"],
        partition_key="home",
        instance=instance,
        resources={"store": StoreResource(root=str(store.root)), "tasks": tasks_of(store)},
        run_config={"ops": {"champion": {"config": config}}},
        raise_on_error=False,
    )


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return {
        name: value.value
        for name, value in result.asset_materializations_for_node("champion")[0].metadata.items()
    }


def why(result: dg.ExecuteInProcessResult) -> str:
    failure = result.failure_data_for_node("champion")
    assert failure is not None
    assert failure.user_failure_data is not None
    return str(failure.user_failure_data.description)


def test_first_by_hand_and_taken_back(store: RunStore, instance: dg.DagsterInstance) -> None:
    evaluated(store, "home.a", 0.9)
    assert shown(materialize(instance, store))["why"] == "first: the task had no champion"
    evaluated(store, "home.b", 0.8)
    assert served(store, "home") == "home.a"
    assert shown(materialize(instance, store, promote="home.b"))["champion"] == "home.b"
    # What is released is served, whatever stands first.
    assert served(store, "home") == "home.b"
    assert shown(materialize(instance, store, rollback=True))["champion"] == "home.a"
    assert [one.how for one in read_champions(store, "home").releases] == ["first", "by hand", "rollback"]
    events = instance.fetch_materializations(dg.AssetKey("champion"), limit=10).records
    assert [one.asset_materialization.metadata["champion"].value for one in events] == [  # type: ignore[union-attr]
        "home.a", "home.b", "home.a",
    ]  # fmt: skip


def test_what_has_no_student_is_not_released(store: RunStore, instance: dg.DagsterInstance) -> None:
    evaluated(store, "home.a", 0.9)
    materialize(instance, store)
    assert "there is nothing to go back to" in why(materialize(instance, store, rollback=True))
    assert "materialize `eval_report` of partition 'home.none'" in why(
        materialize(instance, store, promote="home.none")
    )
    assert "is no run of home" in why(materialize(instance, store, promote="car.first"))
    assert served(store, "home") == "home.a"


def test_runs_leave_the_store_as_runs(store: RunStore, instance: dg.DagsterInstance) -> None:
    evaluated(store, "home.a", 0.9)
    materialize(instance, store)
    assert store.runs() == ["home.a"]


def tick(instance: dg.DagsterInstance, store: RunStore, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    found = challengers(context, tasks=tasks_of(store), store=StoreResource(root=str(store.root)))
    assert isinstance(found, dg.SensorResult)
    return found


def report(instance: dg.DagsterInstance, run: str) -> None:
    instance.add_dynamic_partitions(str(RUNS.name), [run])
    instance.report_runless_asset_event(dg.AssetMaterialization("eval_report", partition=run))


def skipped(result: dg.SensorResult) -> str:
    assert result.skip_reason is not None
    return str(result.skip_reason.skip_message)


def test_every_evaluated_run_is_held_against_the_champion_once(
    store: RunStore, instance: dg.DagsterInstance
) -> None:
    assert skipped(tick(instance, store)) == "no run was evaluated"
    evaluated(store, "home.a", 0.9)
    report(instance, "home.a")
    first = tick(instance, store)
    (asked,) = first.run_requests or []
    assert (asked.partition_key, asked.tags[CHALLENGER_TAG]) == ("home", "home.a")
    materialize(instance, store, challenger="home.a")
    assert "home.a was released" in skipped(tick(instance, store, first.cursor))
    evaluated(store, "home.b", 0.8)
    report(instance, "home.b")
    second = tick(instance, store, first.cursor)
    assert [one.tags[CHALLENGER_TAG] for one in second.run_requests or []] == ["home.b"]
    decided = {"challenger": "home.b", "champion": "home.a", "reason": "", "decided": "2026-11-01T00:00:00Z"}
    for verdict, requests in (("keep", 0), ("wait", 1)):
        decision = Decision.model_validate({**decided, "verdict": verdict})
        keep_decision(store, "home", read_champions(store, "home"), decision, None)
        assert len(tick(instance, store, second.cursor).run_requests or []) == requests


def test_a_challenge_that_failed_is_repeated_and_not_for_ever(
    store: RunStore, instance: dg.DagsterInstance
) -> None:
    evaluated(store, "home.a", 0.9)
    report(instance, "home.a")
    keys = []
    for number in range(3):
        result = tick(instance, store)
        (asked,) = result.run_requests or []
        keys.append(asked.run_key)
        tags = {PARTITION_TAG: "home", CHALLENGER_TAG: "home.a"}
        instance.add_run(
            dg.DagsterRun(
                "promote",
                f"00000000-0000-0000-0000-00000000000{number}",
                tags=tags,
                status=dg.DagsterRunStatus.FAILURE,
            )
        )
    assert len(set(keys)) == 3
    assert "could not be held against the champion 3 times" in skipped(tick(instance, store))


def test_the_job_of_the_installation_holds_the_champion(tmp_path: Path) -> None:
    defs = build_defs(tmp_path)
    job = defs.resolve_job_def("promote")
    assert [key.to_user_string() for key in job.asset_layer.executable_asset_keys] == ["champion"]

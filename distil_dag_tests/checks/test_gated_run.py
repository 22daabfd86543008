"""A gate that fails ends the run: nothing behind it is materialized."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.definitions.sensor_definition import SensorExecutionData

from distil_dag.automation.verdicts import verdicts_stay
from distil_dag.build import build_defs
from distil_dag.resources.asset_defaults import PARTITION_TAG, RUNS
from distil_dag.resources.gate_metadata import advice_of
from distil_dag_tests import stand_ins as good

CHAIN = ["traces", "judged_seeds", "synthetic_set", "checkpoint", "gguf", "eval_report"]
BAD_REPORTS = {
    "traces": good.TRACES_REPORT.model_copy(update={"kept": 3}),
    "judged_seeds": good.JUDGE_REPORT.model_copy(update={"seeds": 1}),
    "synthetic_set": good.SYNTHESIS_REPORT.model_copy(
        update={"cells": [good.SYNTHESIS_REPORT.cells[0].model_copy(update={"accepted": 0})]}
    ),
    "checkpoint": good.TRAIN_REPORT.model_copy(update={"stop_token_trained": False}),
    "gguf": good.GGUF_REPORT.model_copy(
        update={"files": [good.GGUF_REPORT.files[0].model_copy(update={"tokens_equal": False})]}
    ),
    "eval_report": good.EVAL_REPORT.model_copy(
        update={"comparisons": [good.comparison("base", 0.5), good.comparison("lookup", -0.01)]}
    ),
}
FAILED_GATE = {
    "traces": "enough_traces",
    "judged_seeds": "enough_seeds",
    "synthetic_set": "cells_covered",
    "checkpoint": "stop_token_trained",
    "gguf": "gguf_parity",
    "eval_report": "beats_lookup",
}


def run_chain(
    instance: dg.DagsterInstance,
    home: Path,
    run: str = "home.a",
    reports: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    **settings: Any,
) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("distil_runs", [run])
    job = build_defs(home, chain=good.stand_in_chain(reports, **settings)).resolve_job_def("distil_run")
    return job.execute_in_process(
        instance=instance, partition_key=run, raise_on_error=False, run_config={"ops": config or {}}
    )


def materialized(result: dg.ExecuteInProcessResult) -> list[str]:
    return [
        event.asset_key.to_user_string()  # type: ignore[union-attr]
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION
    ]


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    return {
        check.check_name: (check.passed, check.severity.value)
        for check in result.get_asset_check_evaluations()
    }


def test_a_good_run_passes_every_gate(instance: dg.DagsterInstance, home: Path) -> None:
    result = run_chain(instance, home)
    assert result.success
    assert materialized(result) == CHAIN
    assert len(verdicts(result)) == 18
    assert all(passed for passed, _ in verdicts(result).values())


@pytest.mark.parametrize("asset", CHAIN)
def test_a_failed_gate_stops_the_run(asset: str, instance: dg.DagsterInstance, home: Path) -> None:
    result = run_chain(instance, home, reports={asset: BAD_REPORTS[asset]})
    assert not result.success
    assert materialized(result) == CHAIN[: CHAIN.index(asset) + 1]
    assert [gate for gate, (passed, _) in verdicts(result).items() if not passed] == [FAILED_GATE[asset]]
    failed = [event.step_key for event in result.all_events if event.is_step_failure]
    assert failed == [f"{asset}_gates"]


def test_a_soft_gate_only_warns(instance: dg.DagsterInstance, home: Path) -> None:
    result = run_chain(instance, home, reports=BAD_REPORTS, gates={"soft": list(FAILED_GATE.values())})
    assert result.success
    assert {verdicts(result)[gate] for gate in FAILED_GATE.values()} == {(False, "WARN")}


def test_a_threshold_in_the_checks_config_wins(instance: dg.DagsterInstance, home: Path) -> None:
    config = {"traces_gates": {"config": {"thresholds": {"min_traces": 3}}}}
    assert run_chain(instance, home, reports={"traces": BAD_REPORTS["traces"]}, config=config).success


def test_a_threshold_that_does_not_exist_is_refused(instance: dg.DagsterInstance, home: Path) -> None:
    result = run_chain(instance, home, config={"traces_gates": {"config": {"thresholds": {"min_trace": 3}}}})
    assert not result.success
    data = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    assert data.user_failure_data is not None
    assert "min_trace" in str(data.user_failure_data.description)


def recheck(
    instance: dg.DagsterInstance,
    home: Path,
    run: str | None,
    asset: str,
    *gates: str,
    asked: str = "",
    **thresholds: float,
) -> dg.ExecuteInProcessResult:
    """Gates of an asset by themselves, as the UI starts them."""
    job = build_defs(home, chain=good.stand_in_chain()).resolve_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(dg.AssetKey(asset), gate) for gate in gates}
    alone = job.get_subset(asset_selection=set(), asset_check_selection=keys)
    return alone.execute_in_process(
        instance=instance,
        raise_on_error=False,
        tags={PARTITION_TAG: run} if run else {},
        run_config={"ops": {f"{asset}_gates": {"config": {"run": asked, "thresholds": thresholds}}}},
    )


def of_partition(instance: dg.DagsterInstance, asset: str, gate: str) -> dict[str, set[str]]:
    """What Dagster shows of a gate: status -> runs."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), gate)
    with partition_loading_context(dynamic_partitions_store=instance):
        subsets = instance.event_log_storage.get_asset_check_state([(key, RUNS)])[key].subsets
        runs = {
            status.value: set(found.subset_value.get_partition_keys()) for status, found in subsets.items()
        }
    return {status: found for status, found in runs.items() if found}


def failure(result: dg.ExecuteInProcessResult) -> str:
    data = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    assert data.user_failure_data is not None
    return str(data.user_failure_data.description)


def test_a_run_hides_no_verdict_of_another(instance: dg.DagsterInstance, home: Path) -> None:
    run_chain(instance, home, "home.bad", reports={"judged_seeds": BAD_REPORTS["judged_seeds"]})
    run_chain(instance, home, "home.good")
    assert of_partition(instance, "judged_seeds", "enough_seeds") == {
        "SUCCEEDED": {"home.good"},
        "FAILED": {"home.bad"},
    }


def test_gates_by_themselves_look_at_the_run_that_is_chosen(instance: dg.DagsterInstance, home: Path) -> None:
    run_chain(instance, home, "home.a", reports={"checkpoint": BAD_REPORTS["checkpoint"]})
    run_chain(instance, home, "home.b")
    assert verdicts(recheck(instance, home, "home.a", "checkpoint", "stop_token_trained"))[
        "stop_token_trained"
    ] == (False, "ERROR")
    assert verdicts(recheck(instance, home, "home.b", "checkpoint", "stop_token_trained"))[
        "stop_token_trained"
    ] == (True, "ERROR")


def test_one_gate_is_executed_without_the_others(instance: dg.DagsterInstance, home: Path) -> None:
    run_chain(instance, home, "home.a", reports={"judged_seeds": BAD_REPORTS["judged_seeds"]})
    result = recheck(instance, home, "home.a", "judged_seeds", "seed_yield")
    assert result.success
    assert set(verdicts(result)) == {"seed_yield"}
    assert not recheck(instance, home, "home.a", "judged_seeds", "enough_seeds").success
    assert recheck(instance, home, "home.a", "judged_seeds", "enough_seeds", min_seeds=1).success


@pytest.mark.parametrize("asked", ["home.a", ""])
def test_gates_without_a_partition_tell_of_the_run_that_is_asked_for(
    asked: str, instance: dg.DagsterInstance, home: Path
) -> None:
    run_chain(instance, home, "home.b")
    run_chain(instance, home, "home.a")
    again = recheck(instance, home, None, "judged_seeds", "enough_seeds", asked=asked, min_seeds=1000)
    assert "Gate enough_seeds failed: 60 seeds; 1000 needed." in failure(again)
    assert of_partition(instance, "judged_seeds", "enough_seeds") == {
        "SUCCEEDED": {"home.b"},
        "FAILED": {"home.a"},
    }


def test_gates_without_a_run_say_so(instance: dg.DagsterInstance, home: Path) -> None:
    assert "never materialized" in failure(recheck(instance, home, None, "gguf", "gguf_parity"))
    run_chain(instance, home, "home.a")
    instance.add_dynamic_partitions("distil_runs", ["home.b"])
    assert "materialize `traces` of partition 'home.b' first" in failure(
        recheck(instance, home, "home.b", "gguf", "gguf_parity")
    )


def test_the_assets_page_shows_the_gates_of_a_run(instance: dg.DagsterInstance, home: Path) -> None:
    run_chain(instance, home, "home.bad", reports={"judged_seeds": BAD_REPORTS["judged_seeds"]})
    run_chain(instance, home, "home.good")
    shown = {}
    for run in ("home.bad", "home.good"):
        observed = instance.fetch_observations(
            dg.AssetRecordsFilter(dg.AssetKey("judged_seeds"), [run]), limit=1
        )
        shown[run] = observed.records[0].asset_observation.metadata
    lines = shown["home.bad"]["gates"].value.splitlines()
    row = next(line for line in lines if "enough_seeds" in line)
    assert row.startswith("| `enough_seeds` | FAILED | 1 | 20 or more | ")
    assert "`gates.min_seeds: 1` lets this figure pass." in row
    assert shown["home.bad"]["verdict"].value == "4 of 5 gates passed. FAILED: enough_seeds"
    assert shown["home.good"]["verdict"].value == "5 of 5 gates passed"


def test_a_stopped_run_says_first_why_and_what_to_do(instance: dg.DagsterInstance, home: Path) -> None:
    told = failure(
        run_chain(instance, home, "home.bad", reports={"judged_seeds": BAD_REPORTS["judged_seeds"]})
    )
    assert told.startswith("Gate enough_seeds failed: 1 seeds; 20 needed. ")
    assert 'overrides: {gates.min_seeds: "1"}' in told
    assert "`gates.soft: [judge_agrees, enough_seeds]`" in told
    lines = [
        entry.user_message
        for entry in instance.all_logs(instance.get_runs(limit=1)[0].run_id)
        if entry.level == logging.ERROR and entry.user_message.startswith("gate ")
    ]
    assert [line[:54] for line in lines] == ["gate enough_seeds FAILED: 1 seeds; 20 needed. More tra"]


def test_the_overrides_that_are_advised_let_the_run_pass(instance: dg.DagsterInstance, home: Path) -> None:
    bad = {"traces": BAD_REPORTS["traces"], "judged_seeds": BAD_REPORTS["judged_seeds"]}
    advised: dict[str, float] = {}
    for _ in bad:
        result = run_chain(instance, home, reports=bad, gates=advised)
        assert not result.success
        for check in result.get_asset_check_evaluations():
            if not check.passed:
                settings = advice_of(check.metadata)["overrides"]
                advised |= {name.removeprefix("gates."): float(value) for name, value in settings.items()}
    assert run_chain(instance, home, reports=bad, gates=advised).success


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> SensorExecutionData:
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    return verdicts_stay.evaluate_tick(context)


def test_a_run_that_ends_early_leaves_the_verdicts_of_its_partition(
    instance: dg.DagsterInstance, home: Path
) -> None:
    run_chain(instance, home, "home.a")
    run_chain(instance, home, "home.b")
    run_chain(instance, home, "home.a", reports={"traces": BAD_REPORTS["traces"]})
    assert of_partition(instance, "checkpoint", "loss_fell") == {
        "SUCCEEDED": {"home.b"},
        "EXECUTION_FAILED": {"home.a"},
    }
    first = tick(instance)
    assert "15 verdicts were kept" in str(first.skip_message)
    assert "; 0 verdicts" in str(tick(instance, first.cursor).skip_message)
    assert of_partition(instance, "checkpoint", "loss_fell") == {"SUCCEEDED": {"home.a", "home.b"}}
    assert of_partition(instance, "traces", "enough_traces") == {
        "SUCCEEDED": {"home.b"},
        "FAILED": {"home.a"},
    }

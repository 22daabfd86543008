"""A gate that fails ends the run: nothing behind it is materialized."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from distil_dag.build import build_defs
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
    assert len(verdicts(result)) == 17
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


def test_gates_run_alone_look_at_the_newest_run(instance: dg.DagsterInstance, home: Path) -> None:
    run_chain(instance, home, "home.a")
    run_chain(instance, home, "home.b", reports={"checkpoint": BAD_REPORTS["checkpoint"]})
    defs = build_defs(home, chain=good.stand_in_chain())
    alone = dg.define_asset_job("recheck", selection=dg.AssetSelection.checks_for_assets("checkpoint"))
    job = dg.Definitions.merge(defs, dg.Definitions(jobs=[alone])).resolve_job_def("recheck")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert {check.metadata["run"].value for check in result.get_asset_check_evaluations()} == {"home.b"}
    assert verdicts(result)["stop_token_trained"] == (False, "ERROR")


def test_gates_without_a_run_say_so(instance: dg.DagsterInstance, home: Path) -> None:
    defs = build_defs(home, chain=good.stand_in_chain())
    alone = dg.define_asset_job("recheck", selection=dg.AssetSelection.checks_for_assets("gguf"))
    job = dg.Definitions.merge(defs, dg.Definitions(jobs=[alone])).resolve_job_def("recheck")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    data = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    assert data.user_failure_data is not None
    assert "never materialized" in str(data.user_failure_data.description)

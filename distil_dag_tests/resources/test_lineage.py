from __future__ import annotations

from pathlib import Path

import dagster as dg

from distil_dag.build import build_defs
from distil_dag.resources.ancestors import ancestors, as_mermaid, as_text
from distil_dag.resources.gate_verdicts import gate_verdicts
from distil_dag_tests import stand_ins as good

CONFIG = {"ops": {"traces_gates": {"config": {"thresholds": {"min_traces": 1}}}}}


def run_once(instance: dg.DagsterInstance, home: Path, selection: list[str] | None = None) -> str:
    instance.add_dynamic_partitions("distil_runs", ["home.a"])
    job = build_defs(home, chain=good.stand_in_chain()).resolve_job_def("distil_run")
    result = job.execute_in_process(
        instance=instance,
        partition_key="home.a",
        asset_selection=[dg.AssetKey(name) for name in selection] if selection else None,
        run_config=CONFIG if selection is None else {},
    )
    return result.run_id


def test_every_ancestor_with_its_versions_and_run(instance: dg.DagsterInstance, home: Path) -> None:
    run_id = run_once(instance, home)
    found = ancestors(instance, "gguf", "home.a")
    assert [entry["asset"] for entry in found] == [
        "gguf",
        "checkpoint",
        "synthetic_set",
        "judged_seeds",
        "traces",
    ]
    for entry in found:
        assert entry["partition"] == "home.a"
        assert entry["run_id"] == run_id
        assert entry["code_version"] == "1"
        assert entry["data_version"] == f"sha256:{entry['asset']}"
    assert [entry["parents"] for entry in found[:-1]] == [[entry["storage_id"]] for entry in found[1:]]
    assert found[-1]["parents"] == []


def test_a_parent_made_again_does_not_change_the_past(instance: dg.DagsterInstance, home: Path) -> None:
    run_once(instance, home)
    before = ancestors(instance, "gguf", "home.a")
    again = run_once(instance, home, ["traces"])
    assert ancestors(instance, "gguf", "home.a") == before
    assert ancestors(instance, "traces", "home.a")[0]["run_id"] == again


def test_what_was_never_made_has_no_ancestors(instance: dg.DagsterInstance) -> None:
    assert ancestors(instance, "gguf", "home.never") == []


def test_text_and_mermaid(instance: dg.DagsterInstance, home: Path) -> None:
    run_once(instance, home)
    found = ancestors(instance, "checkpoint", "home.a")
    text = as_text(found)
    assert [line.split()[0] for line in text.splitlines()[::2]] == [
        "checkpoint",
        "synthetic_set",
        "judged_seeds",
        "traces",
    ]
    chart = as_mermaid(found).splitlines()
    assert chart[0] == "flowchart LR"
    assert sum("-->" in line for line in chart) == 3


def test_gates_are_those_of_this_run_and_the_newest_of_each(instance: dg.DagsterInstance, home: Path) -> None:
    other = good.TRACES_REPORT.model_copy(update={"kept": 3})
    instance.add_dynamic_partitions("distil_runs", ["home.poor"])
    job = build_defs(home, chain=good.stand_in_chain({"traces": other})).resolve_job_def("distil_run")
    job.execute_in_process(instance=instance, partition_key="home.poor", raise_on_error=False)
    run_once(instance, home)
    good_run = gate_verdicts(instance, "home.a")
    assert len(good_run) == 18
    assert all(gate.passed for gate in good_run)
    assert [gate.asset for gate in good_run][::17] == ["traces", "eval_report"]
    poor = {gate.gate: (gate.passed, gate.severity) for gate in gate_verdicts(instance, "home.poor")}
    fine = (True, "error")
    assert poor == {"enough_traces": (False, "error"), "quarantine_share": fine, "context_kept": fine}
    config = {"ops": {"traces_gates": {"config": {"thresholds": {"min_traces": 1}}}}}
    job.execute_in_process(
        instance=instance, partition_key="home.poor", raise_on_error=False, run_config=config,
        asset_selection=[dg.AssetKey("traces")],
    )  # fmt: skip
    assert {gate.gate: gate.passed for gate in gate_verdicts(instance, "home.poor")}["enough_traces"]
    assert gate_verdicts(instance, "home.never") == []

"""What a stranger finds in the UI."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._cli.utils import get_possibly_temporary_instance_for_cli

from distil_dag.build import build_defs
from distil_dag.definitions import defs as project_defs
from distil_dag.resources.asset_defaults import RUNS
from distil_dag.resources.deployment import default_settings, deployment
from distil_dag.resources.known_keys import KnownKeysInstance
from distil_dag.resources.serving_metadata import SERVING
from distil_dag_tests.automation.test_automation import write_task
from distil_dag_tests.paths import ROOT

CHAIN = {
    "traces": ("data", []),
    "judged_seeds": ("data", ["traces"]),
    "synthetic_set": ("data", ["judged_seeds"]),
    "checkpoint": ("model", ["judged_seeds", "synthetic_set"]),
    "gguf": ("release", ["checkpoint"]),
    "eval_report": ("release", ["gguf"]),
    "leaderboard": ("release", ["eval_report"]),
    "champion": ("release", ["eval_report"]),
}
GATES = {
    "traces": {"enough_traces", "quarantine_share", "context_kept"},
    "judged_seeds": {"enough_seeds", "seed_yield", "seeds_leak_free", "judge_agrees", "verdicts_readable"},
    "synthetic_set": {"calls_valid", "cells_covered", "synthetic_leak_free"},
    "checkpoint": {"loss_fell", "rows_complete", "rows_supervised", "stop_token_trained"},
    "gguf": {"gguf_parity"},
    "eval_report": {"beats_base", "beats_lookup"},
}
HEAVY = ("torch", "transformers", "datasets", "llama_cpp", "trl", "peft", "matplotlib", "sklearn")


@pytest.fixture
def defs(home: Path) -> dg.Definitions:
    return build_defs(home)


def test_the_graph_reads_well(defs: dg.Definitions) -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert set(specs) == {*CHAIN, "serving"}
    assert [dep.asset_key.to_user_string() for dep in specs["serving"].deps] == ["gguf"]
    for name, (group, parents) in CHAIN.items():
        spec = specs[name]
        assert spec.group_name == group, name
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.code_version, name
        assert len(spec.description or "") > 80, name
        found = {dep.asset_key.to_user_string() for dep in spec.deps}
        assert set(parents) <= found <= set(CHAIN), name


def test_only_the_leaderboard_has_no_partitions_and_a_condition(defs: dg.Definitions) -> None:
    for spec in defs.resolve_all_asset_specs():
        if spec.key == SERVING:
            continue  # what servers do is observed, and never made
        alone = spec.key.to_user_string() == "leaderboard"
        assert (spec.partitions_def is None) == alone
        assert (spec.automation_condition is not None) == alone


def test_the_page_can_show_all_metadata_of_definitions(defs: dg.Definitions) -> None:
    for spec in defs.resolve_all_asset_specs():
        for name, value in spec.metadata.items():
            assert isinstance(value, str | dg.TableSchema), f"{spec.key}: {name}"


def test_owners_come_from_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> set[tuple[str, ...]]:
        return {tuple(spec.owners) for spec in build_defs(home).resolve_all_asset_specs()}

    monkeypatch.setenv("DISTIL_DAG_OWNERS", "team:ml-platform, ada@example.com")
    assert found() == {("team:ml-platform", "ada@example.com")}
    monkeypatch.setenv("DISTIL_DAG_OWNERS", "")
    assert found() == {()}
    monkeypatch.setenv("DISTIL_DAG_OWNERS", "ml-platform")
    with pytest.raises(ValueError, match=r"DISTIL_DAG_OWNERS: 'ml-platform' is no owner"):
        build_defs(home)


def test_every_gate_blocks_and_says_what_it_is_for(defs: dg.Definitions) -> None:
    specs = [spec for gate in defs.asset_checks or [] for spec in gate.check_specs]  # type: ignore[union-attr]
    found: dict[str, set[str]] = {}
    for spec in specs:
        assert spec.blocking
        assert spec.partitions_def == RUNS
        assert spec.description
        found.setdefault(spec.asset_key.to_user_string(), set()).add(spec.name)
    assert found == GATES


def test_what_a_key_looks_like_stands_where_it_is_typed(home: Path) -> None:
    write_task(home.parent / "examples" / "home", "home", 1)
    write_task(home.parent / "examples" / "car", "car", 1, epochs=3)
    defs = build_defs(home)
    asset = next(spec for spec in defs.resolve_all_asset_specs() if spec.key == dg.AssetKey("traces"))
    for said in (defs.resolve_job_def("distil_run").description or "", asset.description or ""):
        assert "`TASK.LABEL`, such as `car.first`" in said
        assert "**Known tasks:** `car`, `home`." in said


def test_one_job_holds_the_chain_and_its_gates(defs: dg.Definitions) -> None:
    steps = set(defs.resolve_job_def("distil_run").graph.node_dict)
    assert steps == {*GATES, *(f"{asset}_gates" for asset in GATES)}
    assert defs.resolve_job_def("distil_run").partitions_def is not None


def test_pools_and_retries(defs: dg.Definitions) -> None:
    nodes = defs.resolve_job_def("distil_run").graph.node_dict
    pools = {name: node.definition.pool for name, node in nodes.items()}  # type: ignore[union-attr]
    assert pools["traces"] == "intake"
    assert pools["judged_seeds"] == pools["synthetic_set"] == "teacher"
    assert pools["checkpoint"] == "training"
    for name in ("judged_seeds", "synthetic_set", "checkpoint"):
        assert nodes[name].definition.retry_policy is not None, name


def test_no_model_is_made_by_itself(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    states = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    assert states == {
        "new_traces": dg.DefaultSensorStatus.STOPPED,
        "leaderboard_follows": dg.DefaultSensorStatus.RUNNING,
        "challengers": dg.DefaultSensorStatus.RUNNING,
        "housekeeping": dg.DefaultSensorStatus.RUNNING,
        "verdicts_stay": dg.DefaultSensorStatus.RUNNING,
        "serving_observed": dg.DefaultSensorStatus.RUNNING,
    }
    schedules = {schedule.name: schedule.default_status for schedule in repository.schedule_defs}
    assert schedules == {"retrain_weekly": dg.DefaultScheduleStatus.STOPPED}


def test_it_loads_without_anything_heavy(home: Path) -> None:
    """How long that takes is for benchmarks/definitions_load.py to say."""
    script = (
        "import sys\n"
        "from distil_dag.definitions import defs\n"
        "defs().get_repository_def()\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=home.parent)
    assert done.stdout.splitlines()[-1] == "[]"


def test_loading_leaves_nothing_behind(home: Path) -> None:
    build_defs(home).get_repository_def()
    assert list(home.parent.iterdir()) == []


def test_settings_are_placed_once_and_kept(home: Path) -> None:
    with deployment().instance() as instance:
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
    settings = home / "dagster" / "dagster.yaml"
    assert settings.read_text() == default_settings()
    settings.write_text("telemetry: {enabled: false}\n")
    with deployment().instance():
        pass
    assert settings.read_text() == "telemetry: {enabled: false}\n"


@pytest.fixture
def checkout(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory as Dagster's commands find it in the repository's folder."""
    shutil.copy(ROOT / "dagster.yaml", home.parent)
    monkeypatch.delenv("DISTIL_DAG_HOME")
    return home.parent


@pytest.mark.parametrize("told", ["", "elsewhere"])
def test_a_dagster_command_without_a_home_opens_the_installation_of_this_folder(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """`dg dev`, `dagster dev` and `dagster-webserver` all ask for their instance this way."""
    home = checkout / (told or ".distil_dag")
    if told:
        monkeypatch.setenv("DISTIL_DAG_HOME", told)
    monkeypatch.setenv("DAGSTER_HOME", "")
    with get_possibly_temporary_instance_for_cli("dagster dev") as found:
        found.add_dynamic_partitions("run", ["home.first"])
        ref = found.get_ref()
    # Children of the command open the same instance by it.
    assert ref.custom_instance_class is KnownKeysInstance
    assert ref.local_artifact_storage.base_dir == str(home / "dagster")
    assert (home / "dagster" / "dagster.yaml").read_text() == default_settings()
    with deployment().instance() as ours:
        assert ours.get_dynamic_partitions("run") == ["home.first"]
        assert ours.run_monitoring_enabled
    assert not list(checkout.glob(".tmp*"))


def test_the_folder_that_only_points_to_the_home_is_no_home(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(checkout))
    with pytest.raises(ValueError, match="unset DAGSTER_HOME"):
        deployment().instance()


def test_definitions_in_a_temporary_home_say_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("dagster"), "propagate", True)
    project_defs()
    assert f"export DAGSTER_HOME={home / 'dagster'}" in caplog.text
    caplog.clear()
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    project_defs()
    assert not caplog.records


def test_all_ways_to_open_the_ui_give_the_code_location_one_name() -> None:
    """Dagster keeps what is switched on under this name."""
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"][0]["python_module"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    names = {
        workspace["location_name"],
        project["dg"]["project"]["code_location_name"],
        project["dagster"]["module_name"],
    }
    assert names == {workspace["module_name"]} == {"distil_dag.definitions"}


def test_of_several_first_commands_one_makes_the_instance(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = threading.Lock()

    def make() -> str:
        assert busy.acquire(blocking=False)
        time.sleep(0.2)
        busy.release()
        return "made"

    monkeypatch.setattr(dg.DagsterInstance, "get", make)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: deployment().instance(), range(3))) == ["made"] * 3


def test_a_task_folder_that_was_run_is_found_later(home: Path, tmp_path: Path) -> None:
    deployment().register(tmp_path / "one")
    deployment().register(tmp_path / "two")
    deployment().register(tmp_path / "one")
    assert deployment().task_folders == (tmp_path / "one", tmp_path / "two")

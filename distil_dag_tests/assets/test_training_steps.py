"""Training and export as steps of Dagster."""

import json

import dagster as dg
import pytest

from distil_dag.adapters.llamacpp.gguf_tools import read_metadata
from distil_dag.assets.checkpoint import checkpoint
from distil_dag.assets.gguf import gguf
from distil_dag.core import tables
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.training import TrainReport
from distil_dag.resources.ancestors import ancestors
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.store import StoreResource
from distil_dag.resources.trainer import TrainerResource
from distil_dag_tests.stages.training.short_training import (
    ROWS,
    SPEC,
    make_task,
)

pytest.importorskip("torch")
pytest.importorskip("trl")
pytestmark = pytest.mark.slow


def test_it_runs_as_a_step_of_dagster(trainings, base):
    told: list[str] = []

    @dg.asset
    def step(context: dg.AssetExecutionContext, trainer: TrainerResource) -> dg.MaterializeResult[None]:
        report, model = trainer.train(context, ROWS, make_task(model=str(base)))
        assert (model / "model.safetensors").exists()
        told.append(f"{report.steps} {report.base.split('@')[0]}")
        return dg.MaterializeResult()

    with dg.instance_for_test() as instance:
        trainer = TrainerResource(work_root=str(trainings / "work"))
        result = dg.materialize([step], resources={"trainer": trainer}, instance=instance)
        logs = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert told == ["40 base"]
    assert any("training: 40/40 loss " in line for line in logs)


def test_the_process_is_told_to_keep_its_memory(trainings, base, monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    said, says = trainings / "said", trainings / "says.sh"
    says.write_text(f'echo "$GLIBC_TUNABLES" > {said}\nexit 1\n')

    @dg.asset
    def step(context: dg.AssetExecutionContext, trainer: TrainerResource) -> None:
        trainer.train(context, ROWS, make_task(model=str(base)))

    trainer = TrainerResource(work_root=str(trainings / "work"), launcher=["sh", str(says)])
    dg.materialize([step], resources={"trainer": trainer}, raise_on_error=False)
    assert "glibc.malloc.mmap_max=0" in said.read_text()


def test_the_two_assets_publish_a_model_that_names_its_origin(trainings, base):
    store = StoreResource(root=str(trainings / "store"))
    runs, run = store.open(), "lights.all"
    runs.write_report(run, "traces", make_task(model=str(base)), name="task")
    runs.write_cases(run, tables.SYNTHETIC, ROWS[1::2])
    runs.write_cases(run, tables.SEEDS, ROWS[::2])
    runs.write_cases(run, tables.UNLABELLED, ROWS[:3])
    runs.write_cases(run, tables.CALIBRATION, [])
    trainer, teacher = (
        TrainerResource(work_root=str(trainings / "work")),
        ModelsResource(cache_root=str(trainings)),
    )
    resources = {"store": store, "trainer": trainer, "models": teacher}
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("distil_runs", [run])
        result = dg.materialize([checkpoint, gguf], partition_key=run, resources=resources, instance=instance)
        made = {name: result.asset_materializations_for_node(name)[0] for name in ("checkpoint", "gguf")}
        entries = ancestors(instance, "gguf", run)
    assert {"loss", "supervised"} <= set(made["checkpoint"].metadata)
    assert "light attic" not in str(made["gguf"].metadata["model_card"])
    report = runs.read_report(run, "gguf", GgufReport)
    assert report.confidence is None
    assert report.confidence_missing.startswith("no cases were set aside")
    with runs.local_folder(run, "gguf", "files") as folder:
        carried = json.loads(read_metadata(folder / report.primary)["distil_dag.lineage"])
        assert json.loads((folder / report.lineage).read_text())["ancestors"] == carried
    assert [entry["asset"] for entry in carried] == ["checkpoint"]
    assert carried == entries[1:]
    assert runs.read_report(run, "checkpoint", TrainReport).rows_by_origin == {"synthetic": 8, "seed": 8}


def test_a_training_that_can_not_work_says_why_at_once(trainings, base):
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def step(context: dg.AssetExecutionContext, trainer: TrainerResource) -> None:
        spec = SPEC.model_copy(update={"max_length": 3})
        trainer.train(context, ROWS, make_task(spec, model=str(base)))

    trainer = TrainerResource(work_root=str(trainings / "work"))
    result = dg.materialize([step], resources={"trainer": trainer}, raise_on_error=False)
    failure = result.failure_data_for_node("step")
    assert failure is not None
    assert failure.user_failure_data is not None
    said = failure.user_failure_data.description
    assert said.startswith("none of "), said
    assert "stderr" in said
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]

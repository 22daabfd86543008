"""A student of fewer layers than its base: cut, trained, killed and trained on."""

import json
import os
import signal

import dagster as dg
import pytest

from distil_dag.adapters.llamacpp.gguf_tools import find_converter, read_metadata
from distil_dag.adapters.run_store import RunStore, weights_digest
from distil_dag.assets.checkpoint import checkpoint
from distil_dag.core import tables
from distil_dag.core.case import Message
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.settings import StudentSpec
from distil_dag.resources.ancestors import ancestors
from distil_dag.resources.failures import reasoned
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.store import StoreResource
from distil_dag.resources.trainer import TrainerResource
from distil_dag.runs.export import export
from distil_dag.runs.provenance import provenance
from distil_dag.stages.student.draft_model import FILE, DraftModel
from distil_dag.stages.training.sft import train
from distil_dag_tests.stages.training.short_training import (
    ROWS,
    SPEC,
    first_layers,
    job_folder,
    make_task,
    wait_for,
    weights,
)

pytest.importorskip("torch")
pytest.importorskip("trl")
pytestmark = pytest.mark.slow

SHALLOW = StudentSpec(layers=3)


@pytest.fixture(scope="module")
def deep(trainings, embedded_student):
    """The first six layers, of which the students below keep three."""
    return first_layers(embedded_student, 6, trainings / "deep")


def test_a_shallower_student_is_a_whole_model(trainings, deep):
    task = make_task(layers=3)
    spec = SPEC.model_copy(update={"method": "lora", "lora_rank": 4, "epochs": 2})
    report = train(ROWS, task.toolset, SHALLOW, spec, deep, trainings / "shallow")
    assert report.depth is not None
    kept = report.depth.kept
    assert (len(kept), kept[0], kept[-1], len(report.depth.influence)) == (3, 0, 5, 6)
    assert report.loss[-1][1] < report.loss[0][1]
    folder = trainings / "shallow" / "model"
    assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 3
    from safetensors import safe_open

    with (
        safe_open(deep / "model.safetensors", "pt") as before,
        safe_open(folder / "model.safetensors", "pt") as after,
    ):
        # The adapters sit on the last block alone, so the others are those of the base.
        for ours, theirs in enumerate(kept[:-1]):
            part = "self_attn.q_proj.weight"
            same = before.get_tensor(f"model.layers.{theirs}.{part}")
            assert after.get_tensor(f"model.layers.{ours}.{part}").equal(same)
    try:
        find_converter()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    (trainings / "shallow-files").mkdir()
    origin = provenance(RunStore(trainings / "no runs"), "lights.all", task)
    exported, _ = export(folder, trainings / "shallow-files", task, origin, ROWS, [], report, [])
    found = read_metadata(trainings / "shallow-files" / "model-Q8_0.gguf")
    assert found["llama.block_count"] == 3
    assert exported.files[0].agreement >= 0.5
    card = (trainings / "shallow-files" / exported.model_card).read_text()
    assert "Of the base's 6 blocks, counted from 0, 3 were kept: 0 (" in card


def test_a_killed_shallower_training_goes_on_with_the_same_blocks(trainings, deep, start_training):
    report = train(ROWS, make_task().toolset, SHALLOW, SPEC, deep, trainings / "shallow-whole")
    folder = job_folder(deep, trainings / "shallow-killed", SHALLOW)
    process = start_training(folder)
    wait_for(folder / "checkpoints" / "checkpoint-16" / "whole", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    resumed = train(ROWS, make_task().toolset, SHALLOW, SPEC, deep, folder)
    assert resumed.resumed_from_step >= 16
    assert resumed.depth == report.depth
    assert weights(folder) == weights(trainings / "shallow-whole")


def test_a_base_with_fewer_layers_fails_at_once(trainings, base):
    @dg.asset
    @reasoned
    def step(context: dg.AssetExecutionContext, trainer: TrainerResource) -> None:
        trainer.train(context, ROWS, make_task(model=str(base), layers=8))

    trainer = TrainerResource(work_root=str(trainings / "work"))
    result = dg.materialize([step], resources={"trainer": trainer}, raise_on_error=False)
    failure = result.failure_data_for_node("step")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "student.layers is 8, and base@sha256:" in str(failure.user_failure_data.description)
    assert "has 2 layers" in str(failure.user_failure_data.description)


def test_a_student_is_trained_on_from_its_own_weights(trainings, deep):
    """Also a shallower one, which was cut before it was trained first."""
    from safetensors.torch import load_file

    store = StoreResource(root=str(trainings / "rounds"))
    runs, spec = store.open(), SPEC.model_copy(update={"epochs": 2, "synthetic_epochs": 2})
    trainer, teacher = (
        TrainerResource(work_root=str(trainings / "work")),
        ModelsResource(cache_root=str(trainings)),
    )
    resources = {"store": store, "trainer": trainer, "models": teacher}
    # Only the first round is shown that there may be no call.
    idle = ROWS[0].model_copy(
        update={"id": "idle", "messages": (Message(role="user", content="hm"),), "calls": ()}
    )
    # So small a rate that the second round ends where it starts.
    rounds = {"lights.a": spec, "lights.b": spec.model_copy(update={"learning_rate": 1e-12})}
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("distil_runs", list(rounds))
        for run, chosen in rounds.items():
            task = make_task(chosen, model=str(deep), layers=3)
            continues = "lights.a" if run == "lights.b" else ""
            runs.write_report(run, "traces", task.model_copy(update={"continues": continues}), name="task")
            runs.write_cases(run, tables.SYNTHETIC, ROWS[1::2])
            runs.write_cases(run, tables.SEEDS, ROWS[::2] if continues else [*ROWS[::2], idle])
            dg.materialize([checkpoint], partition_key=run, resources=resources, instance=instance)
        behind = ancestors(instance, "checkpoint", "lights.b")
    assert [entry["partition"] for entry in behind] == ["lights.b", "lights.a"]
    first, second = (runs.read_report(run, "checkpoint", TrainReport) for run in rounds)
    with runs.local_folder("lights.a", "checkpoint", "model") as folder:
        before, known = load_file(folder / "model.safetensors"), weights_digest(folder)
    with runs.local_folder("lights.b", "checkpoint", "model") as folder:
        after = load_file(folder / "model.safetensors")
        assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 3
        assert DraftModel.loads((folder / FILE).read_text(), make_task().toolset).declines
    assert before.keys() == after.keys()
    assert all(after[name].allclose(before[name], atol=1e-6) for name in before)
    assert (second.base, second.continues) == (f"lights.a@{known}", "lights.a")
    assert first.depth is not None
    assert second.depth is None
    assert second.loss[0][1] < 0.8 * first.loss[0][1]

"""The student, fine-tuned."""

import shutil

import dagster as dg

from distil_dag.adapters.run_store import RunStore, digest, weights_digest
from distil_dag.core.case import Example
from distil_dag.core.settings import TrainingSpec
from distil_dag.resources.asset_defaults import MODEL, RUNS, TRAINING_POOL, TRAINING_RETRY
from distil_dag.resources.failures import reasoned
from distil_dag.resources.lineage import continuing, made_with
from distil_dag.resources.model_metadata import checkpoint_metadata
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.store import StoreResource
from distil_dag.resources.trainer import TrainerResource
from distil_dag.runs.earlier_round import earlier_student
from distil_dag.runs.training_rows import in_mix, tables_of_run


@dg.asset(
    partitions_def=RUNS, deps=["judged_seeds", "synthetic_set"], code_version="8", pool=TRAINING_POOL,
    retry_policy=TRAINING_RETRY, kinds={"huggingface", "pytorch"}, group_name=MODEL,
)  # fmt: skip
@reasoned
def checkpoint(
    context: dg.AssetExecutionContext,
    store: StoreResource,
    models: ModelsResource,
    trainer: TrainerResource,
) -> dg.MaterializeResult[None]:
    """The student after supervised fine-tuning: weights (adapters merged), tokenizer, chat template.

    Training starts from the base, or from the student of the run that this one continues. The student learns
    to answer a request with the tool call alone, without seeing the tools.

    The loss counts only the answer and its stop token; the table `supervised` shows examples. The training
    rows are chosen by `training.mix`: synthetic rows, alone or with the seeds, or with all traces that passed
    the judge.
    """
    run, runs = context.partition_key, store.open()
    task = store.task(run)
    spec = task.settings.training
    models.release()  # its server would hold the memory that training needs
    with earlier_student(runs, task) as start:
        report, model = trainer.train(context, _rows(runs, run, spec), task, start)
    with runs.new_folder(run, "checkpoint", "model") as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
    runs.write_report(run, "checkpoint", report)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(digest([{"weights": weights_digest(model)}])),
        metadata=checkpoint_metadata(report, spec, str(runs.folder(run, "checkpoint") / "model"))
        | made_with(task, "checkpoint")
        | continuing(context.instance, task.continues, "checkpoint"),
    )


def _rows(runs: RunStore, run: str, spec: TrainingSpec) -> list[Example]:
    """The rows of the mix, in a fixed order."""
    tables = tables_of_run(runs, run, in_mix(spec))
    rows = [row for table in tables.values() for row in table]
    if not rows:
        why = f"training.mix={spec.mix!r} leaves no row: see the reports of judged_seeds and synthetic_set"
        raise ValueError(why)
    return rows

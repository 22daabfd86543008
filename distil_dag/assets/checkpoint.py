"""The student, fine-tuned."""

from __future__ import annotations

import shutil

import dagster as dg

from distil_dag.adapters.run_store import RunStore, digest, file_digest
from distil_dag.core.case import Example
from distil_dag.core.task import TrainingSpec
from distil_dag.resources.conventions import MODEL, OWNERS, RUNS, TRAINING_POOL, TRAINING_RETRY
from distil_dag.resources.metadata import image, table
from distil_dag.resources.store import StoreResource
from distil_dag.resources.trainer import TrainerResource
from distil_dag.stages.loss_plot import loss_plot


@dg.asset(
    partitions_def=RUNS,
    deps=["judged_seeds", "synthetic_set"],
    code_version="1",
    pool=TRAINING_POOL,
    retry_policy=TRAINING_RETRY,
    kinds={"huggingface", "pytorch"},
    owners=OWNERS,
    group_name=MODEL,
)
def checkpoint(
    context: dg.AssetExecutionContext, store: StoreResource, trainer: TrainerResource
) -> dg.MaterializeResult[None]:
    """The student after supervised fine-tuning: weights as safetensors (adapters merged), tokenizer,
    chat template.

    It learns to answer a request with the tool call alone, without seeing the tools: loss counts on
    the answer and its stop token only, and the table `supervised` shows what that was. What it learns
    from is `training.mix`: synthetic rows, with the seeds, or with all judged traces.
    """
    run, runs = context.partition_key, store.open()
    task = store.task(run)
    spec = task.settings.training
    report, model = trainer.train(context, _rows(runs, run, spec), task)
    with runs.new_folder(run, "checkpoint", "model") as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
    runs.write_report(run, "checkpoint", report)
    weights = [{path.name: file_digest(path)} for path in sorted(model.glob("*.safetensors"))]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(digest(weights)),
        metadata={
            "dagster/row_count": report.rows,
            "dagster/uri": str(runs.folder(run, "checkpoint") / "model"),
            "loss": image(loss_plot(report.loss, spec.batch_size), "training loss"),
            "supervised": table(report.audit, ["prompt", "supervised"]),
            "rows by origin": table([report.rows_by_origin]),
            "base": report.base,
            "method": spec.method + (f", last {spec.layers} layers" if spec.layers else ""),
            "steps": report.steps,
            "first loss": report.loss[0][1],
            "last loss": report.loss[-1][1],
            "supervised tokens": report.supervised_tokens,
            "truncated rows": report.truncated,
            "seconds": round(report.seconds, 1),
            "tokens per second": round(report.tokens * report.epochs / max(report.seconds, 1e-9), 1),
            "resumed from step": report.resumed_from_step,
        },
    )


def _rows(runs: RunStore, run: str, spec: TrainingSpec) -> list[Example]:
    """The training rows of the mix, in a fixed order."""
    rows = runs.read_cases(run, "synthetic_set", "accepted", Example)
    for table_name in spec.mix.split("+")[1:]:
        rows += runs.read_cases(run, "judged_seeds", table_name, Example)
    if not rows:
        raise dg.Failure(
            description=f"training.mix={spec.mix!r} leaves no row to train on: see the reports of "
            "judged_seeds and synthetic_set",
            allow_retries=False,
        )
    return rows

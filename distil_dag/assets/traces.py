"""The snapshot of the production log that a run is made from."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dlt import DagsterDltResource, dlt_assets
from pydantic import Field

from distil_dag.adapters.logs.intake import Intake
from distil_dag.adapters.logs.source import log_pipeline, log_source, open_log, without_secrets
from distil_dag.adapters.run_store import digest
from distil_dag.core.run_key import RunKey
from distil_dag.resources.asset_defaults import DATA, INTAKE_POOL, RUNS
from distil_dag.resources.lineage import made_with
from distil_dag.resources.store import StoreResource
from distil_dag.resources.tasks import TasksResource
from distil_dag.resources.traces_in_dagster import (
    TracesTranslator,
    intake_errors,
    refuse_beside_another,
    traces_metadata,
)
from distil_dag.runs.continued import continued


class TracesConfig(dg.Config):
    """What a run changes in its task; the changed task is frozen with the run."""

    overrides: dict[str, str] = Field(default={}, description="setting -> YAML text, `training.epochs`: `1`")
    continues: str = Field(default="", description="run whose student is trained on where it is weak")


# The pipeline is made in the run. One made here would leave a folder behind each time this code is loaded.
@dlt_assets(
    dlt_source=log_source(), dlt_pipeline=None, name="traces", group_name=DATA, partitions_def=RUNS,  # type: ignore[arg-type]
    dagster_dlt_translator=TracesTranslator(), pool=INTAKE_POOL,
)  # fmt: skip
def traces(
    context: dg.AssetExecutionContext,
    config: TracesConfig,
    store: StoreResource,
    tasks: TasksResource,
    dlt: DagsterDltResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Take the snapshot of the log, and freeze the task that the rest of the run reads."""
    run, files = context.partition_key, store.open()
    refuse_beside_another(context.instance, context.run.run_id, run)
    with intake_errors(context, tasks, run):
        task = continued(tasks.task(run, config.overrides), run, config.continues, files)
        key = RunKey.parse(run, task.name)
        intake, log = Intake(task, key), open_log(task)
        source = log_source(intake, log, key)
        with log_pipeline(files, run) as pipeline:
            list(dlt.run(context, source, pipeline, loader_file_format="parquet"))
    for warning in task.warnings:
        context.log.warning(warning)
    frozen = without_secrets(task)
    files.write_report(run, "traces", frozen, name="task")
    files.write_report(run, "traces", intake.report())
    # Later assets read the task too, so equal rows under another task are another version.
    version = digest([{"rows": intake.digest, "task": frozen.model_dump(mode="json")}])
    yield dg.MaterializeResult(
        asset_key="traces",
        data_version=dg.DataVersion(version),
        metadata=traces_metadata(context.instance, task, key, intake, files.folder(run, "traces"))
        | made_with(frozen, "traces"),
    )

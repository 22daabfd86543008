"""The snapshot of the production log that a run is made from."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dlt import DagsterDltResource
from pydantic import Field

from distil_dag.adapters.forgetting.kept_tombstones import read_tombstones
from distil_dag.adapters.logs.intake import Intake
from distil_dag.adapters.logs.source import log_pipeline, log_source, open_log, without_secrets
from distil_dag.adapters.run_store import digest
from distil_dag.core.run_key import RunKey
from distil_dag.resources.asset_defaults import INTAKE_POOL, RUNS
from distil_dag.resources.lineage import made_with
from distil_dag.resources.store import StoreResource
from distil_dag.resources.tasks import TasksResource
from distil_dag.resources.traces_in_dagster import (
    TracesTranslator,
    intake_errors,
    refuse_beside_another,
    traces_metadata,
    traces_spec,
)
from distil_dag.runs.continued import continued
from distil_dag.stages.reading.discovery.definitions import COLUMNS


class TracesConfig(dg.Config):
    """What a run changes in its task; the changed task is frozen with the run."""

    overrides: dict = Field(  # type: ignore[type-arg]  # `dict[str, Any]` refuses null
        default={}, description="settings that differ from task.yaml: `training.epochs: 1` or nested"
    )
    continues: str = Field(default="", description="run whose student is trained on where it is weak")


# Not `dlt_assets`: it puts its own objects into the asset's metadata, where the page can't show them.
@dg.multi_asset(specs=[traces_spec()], name="traces", partitions_def=RUNS, pool=INTAKE_POOL)
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
        # A run of the schedule has its partition by tag alone; adding one twice does no harm.
        context.instance.add_dynamic_partitions(str(RUNS.name), [run])
        intake = Intake(task, key, stones=read_tombstones(files))
        log = open_log(task, COLUMNS)
        source = log_source(intake, log, key)
        with log_pipeline(files, run) as pipeline:
            list(dlt.run(context, source, pipeline, TracesTranslator(), loader_file_format="parquet"))
    for warning in task.warnings:
        context.log.warning(warning)
    frozen = without_secrets(task).model_copy(update={"context": intake.context})
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

"""Training rows that are made by the teacher and from real requests."""

import dagster as dg

from distil_dag.core import tables
from distil_dag.core.case import Case
from distil_dag.resources.asset_defaults import DATA, RUNS, TEACHER_POOL, TEACHER_RETRY
from distil_dag.resources.failures import reasoned
from distil_dag.resources.lineage import continuing, made_with
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.spending import Outlook, metered
from distil_dag.resources.store import StoreResource
from distil_dag.resources.synthesis_metadata import synthesis_metadata
from distil_dag.runs.earlier_round import earlier_round
from distil_dag.stages.prompting.prompt_files import code_version
from distil_dag.stages.synthesis.generator import LATER_CALLS, synthesize


@dg.asset(
    partitions_def=RUNS, deps=["judged_seeds"], code_version=code_version("8", "call_first", "widening"),
    pool=TEACHER_POOL, retry_policy=TEACHER_RETRY, kinds={"llamacpp", "parquet"},
    group_name=DATA,
)  # fmt: skip
@reasoned
def synthetic_set(
    context: dg.AssetExecutionContext, store: StoreResource, models: ModelsResource
) -> dg.MaterializeResult[None]:
    """Synthetic requests whose tool call was planned first, checked against the seeds' conventions.

    For each cell (tool × argument pattern) calls are planned with values that users say, and the teacher
    writes the request. Other rows are real requests with other values. A run that continues another one makes
    more rows for the cells where that run's student fails.

    Table `accepted` is what the student learns from. Table `rejected` has every other row with its reason.
    Table `origins` says from which cases each row was made.
    """
    run, runs = context.partition_key, store.open()
    task = store.task(run)
    seeds = runs.read_cases(run, tables.SEEDS)
    others: list[Case] = [
        *runs.read_cases(run, tables.CONTEXT),
        *runs.read_cases(run, tables.UNLABELLED),
    ]
    # A copy of what calibrates the student would promise too much, as one of the test would.
    unseen = [*runs.read_cases(run, tables.TEST), *runs.read_cases(run, tables.CALIBRATION)]
    spec, earlier = task.settings.synthesis, earlier_round(runs, task)
    with metered(context, runs, task) as meter, models.chat(task.settings.teacher, meter) as chat:
        outlook = Outlook(context.log, "synthetic rows", meter, LATER_CALLS)
        made, report = synthesize(
            seeds, others, unseen, task.toolset, spec, chat, outlook, earlier, task.normaliser
        )
    version = runs.write_cases(run, tables.SYNTHETIC, made.accepted)
    runs.write_rows(run, tables.REJECTED, [row.row() for row in made.rejected])
    runs.write_rows(run, tables.ORIGINS, made.origin_rows())
    runs.write_report(run, "synthetic_set", report)
    shown = synthesis_metadata(made, report, str(runs.folder(run, "synthetic_set")))
    read = continuing(context.instance, task.continues, "synthetic_set", "gguf")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata=shown | made_with(task, "synthetic_set") | read | outlook.metadata() | models.metadata(),
    )

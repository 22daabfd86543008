"""The examples of the log that can be trusted, and the test that is held out first."""

import dagster as dg

from distil_dag.adapters.checkpoints.student_template import template_warnings
from distil_dag.adapters.run_store import digest
from distil_dag.core import tables
from distil_dag.resources.asset_defaults import DATA, RUNS, TEACHER_POOL, TEACHER_RETRY
from distil_dag.resources.failures import reasoned
from distil_dag.resources.judge_metadata import judge_metadata
from distil_dag.resources.lineage import made_with
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.spending import Outlook, metered
from distil_dag.resources.store import StoreResource
from distil_dag.runs.earlier_round import set_aside_before
from distil_dag.stages.judging.label_sheet import TO_LABEL, label_sheet
from distil_dag.stages.judging.pipeline import judge_log
from distil_dag.stages.prompting.prompt_files import code_version
from distil_dag.stages.splitting.holdout import split_rows


@dg.asset(
    partitions_def=RUNS, deps=["traces"], pool=TEACHER_POOL, retry_policy=TEACHER_RETRY,
    code_version=code_version("12", "rubric_judge", "likelihood_judge", "relabelling"),
    kinds={"llamacpp", "parquet"}, group_name=DATA,
)  # fmt: skip
@reasoned
def judged_seeds(
    context: dg.AssetExecutionContext, store: StoreResource, models: ModelsResource
) -> dg.MaterializeResult[None]:
    """Held-out test, and the logged calls that a judge found good enough to learn from.

    The test is taken out of the log first, with every copy and near copy of its requests. A judge scores the
    rest.

    Table `seeds` has the trusted examples, and `context` those that passed beyond the wanted number. Table
    `calibration` has rows that nobody learns from, and `unlabelled` the requests whose calls are not trusted.
    Table `verdicts` has all scores, and `split` says which traces left with the test.
    """
    run, runs = context.partition_key, store.open()
    task = store.task(run)
    spec, model = task.settings.judge, task.settings.teacher
    traces = runs.read_cases(run, tables.TRACES)
    for warning in template_warnings(task, traces):
        context.log.warning(warning)
    with metered(context, runs, task) as meter, models.panel(model, spec, meter) as panel:
        outlook = Outlook(context.log, "judging", meter)
        found = judge_log(task, traces, *panel, outlook, set_aside_before(runs, task))
    split, judged, report = found.split, found.judged, found.report
    parts = [
        runs.write_cases(run, tables.TEST, split.test),
        runs.write_cases(run, tables.SEEDS, judged.seeds),
        runs.write_cases(run, tables.CONTEXT, judged.context),
        runs.write_cases(run, tables.CALIBRATION, judged.calibration),
        runs.write_cases(run, tables.UNLABELLED, judged.unlabelled),
    ]
    runs.write_rows(run, tables.SPLIT, split_rows(split, traces))
    runs.write_rows(run, tables.VERDICTS, [verdict.row() for verdict in judged.verdicts])
    if not report.faults_found:
        runs.write_bytes(run, "judged_seeds", TO_LABEL, label_sheet(split.rest, judged.verdicts))
    runs.write_report(run, "judged_seeds", report)
    shown = judge_metadata(judged.verdicts, report, str(runs.folder(run, "judged_seeds")))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(digest([{"tables": parts}])),
        metadata=shown | made_with(task, "judged_seeds") | outlook.metadata() | models.metadata(),
    )

"""How good the student is, with the evidence."""

from contextlib import ExitStack

import dagster as dg

from distil_dag.core import tables
from distil_dag.resources.asset_defaults import RELEASE, RUNS, TEACHER_POOL, TEACHER_RETRY
from distil_dag.resources.evaluation import evaluation_metadata, write_report
from distil_dag.resources.failures import reasoned
from distil_dag.resources.lineage import continuing, made_with
from distil_dag.resources.model_origin import dated, tell_model
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.progress import logged
from distil_dag.resources.spending import metered, paid, spending_metadata
from distil_dag.resources.store import StoreResource
from distil_dag.resources.trainer import TrainerResource
from distil_dag.runs.evaluation_plan import plan_evaluation
from distil_dag.runs.pages import CARD, LINEAGE, REPORT
from distil_dag.stages.prompting.prompt_files import code_version


@dg.asset(
    partitions_def=RUNS, deps=["traces", "judged_seeds", "synthetic_set", "checkpoint", "gguf"],
    code_version=code_version("8", "few_shot_teacher", "tools_in_prompt"),
    pool=TEACHER_POOL, retry_policy=TEACHER_RETRY, kinds={"python", "html"},
    group_name=RELEASE,
)  # fmt: skip
@reasoned
def eval_report(
    context: dg.AssetExecutionContext,
    store: StoreResource,
    models: ModelsResource,
    trainer: TrainerResource,
) -> dg.MaterializeResult[None]:
    """The student on the frozen test, beside everything that it has to beat.

    The candidates are the checkpoint and each GGUF file by every runtime, the same weights before training,
    the teacher without and with examples, production's answers, a lookup of the nearest trace, and the
    student of the run that is continued.

    An answer is right if it calls the same functions with the same arguments as its label. Differences
    between candidates are paired and have intervals.

    The page `report.html` shows whether all runtimes get the same prompts and give the same answers, where
    the student is weak, whether the test was seen in training, what quantisation costs, and where labels
    follow no convention. It lists each failure with the command that asks again.
    """
    run, runs = context.partition_key, store.open()
    task = store.task(run)
    with metered(context, runs, task) as meter, ExitStack() as stack:
        opened = paid(models, task, meter)
        planned = stack.enter_context(plan_evaluation(runs, run, task, opened, trainer.base, models.servers))
        report, answers = planned.evaluate(task, logged(context.log, "evaluating"))
    version = runs.write_rows(run, tables.ANSWERS, answers)
    report = write_report(runs, run, dated(runs, run, task, report), planned)
    tell_model(context, runs, task, report)
    shown = evaluation_metadata(report, store.page(run, "report", REPORT))
    shown |= store.page(run, "model_card_page", CARD) | store.page(run, "lineage_page", LINEAGE)
    shown |= spending_metadata(meter) | models.metadata()
    shown |= made_with(task, "eval_report") | continuing(context.instance, task.continues, "eval_report")
    return dg.MaterializeResult(data_version=dg.DataVersion(version), metadata=shown)

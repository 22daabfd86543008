"""The student, ready to be served."""

import dagster as dg

from distil_dag.adapters.run_store import digest
from distil_dag.core import tables
from distil_dag.core.reports.training import TrainReport
from distil_dag.resources.ancestors import ancestors
from distil_dag.resources.asset_defaults import RELEASE, RUNS, TRAINING_POOL
from distil_dag.resources.failures import reasoned
from distil_dag.resources.lineage import made_with
from distil_dag.resources.model_metadata import gguf_metadata
from distil_dag.resources.model_origin import origin_metadata
from distil_dag.resources.progress import logged
from distil_dag.resources.store import StoreResource
from distil_dag.runs.export import export
from distil_dag.runs.lineage.passport import passport
from distil_dag.runs.pages import CARD, LINEAGE, REPORT
from distil_dag.runs.provenance import provenance


@dg.asset(
    partitions_def=RUNS, deps=["checkpoint", "judged_seeds"], code_version="9", pool=TRAINING_POOL,
    kinds={"llamacpp", "gguf"}, group_name=RELEASE,
)  # fmt: skip
@reasoned
def gguf(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """The student as files for llama.cpp and Ollama: f16 and quantised, each compared with the checkpoint.

    Every file must split the golden texts into the same tokens, carry the same chat template, and answer
    requests of the log like the checkpoint. The primary file is calibrated on cases that nobody learned from,
    so it can say how likely an answer is right.

    The folder also has an Ollama Modelfile, the model card, and `lineage.json`. Each file holds the lineage
    too, with the ids of all traces behind the model, under a seal. `eval_report` adds the scores, as
    `evaluation.json` and in the card, and they appear here as an observation.
    """
    run, runs = context.partition_key, store.open()
    task = store.task(run)
    probes = runs.read_cases(run, tables.UNLABELLED)
    probes = probes or runs.read_cases(run, tables.SEEDS)
    held = runs.read_cases(run, tables.CALIBRATION)
    training = runs.read_report(run, "checkpoint", TrainReport)
    behind, origin = ancestors(context.instance, "checkpoint", run), provenance(runs, run, task)
    with (
        runs.local_folder(run, "checkpoint", "model") as model,
        runs.new_folder(run, "gguf", "files") as folder,
    ):
        report, parity = export(
            model, folder, task, origin, probes, held, training, behind, logged(context.log, "export"),
            passport(runs, run, task),
        )  # fmt: skip
        card = (folder / report.model_card).read_text(encoding="utf-8")
    runs.write_report(run, "gguf", report)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(digest([{file.path: file.sha256} for file in report.files])),
        metadata=gguf_metadata(report, parity, card, str(runs.folder(run, "gguf") / "files"))
        | store.page(run, "model_card_page", CARD)
        | store.page(run, "lineage_page", LINEAGE)
        | store.page(run, "report", REPORT)
        | origin_metadata(origin)
        | made_with(task, "gguf"),
    )

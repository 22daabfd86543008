"""What made a model and how good it is, on the page of `gguf` and beside its files.

`gguf` is made before `eval_report` measures it. So its scores come as an observation, which its page shows
beside the event that made it.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.gates.student import check_student
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.model_evaluation import GateVerdict, ModelEvaluation
from distil_dag.core.reports.provenance import Provenance
from distil_dag.core.task import Task
from distil_dag.resources.gate_verdicts import gate_verdicts
from distil_dag.resources.metadata import figures, table
from distil_dag.runs.export import write_scores
from distil_dag.runs.provenance import model_evaluation, now, provenance
from distil_dag.stages.evaluating.candidate import BASE, LOOKUP
from distil_dag.stages.exporting.origin_text import origin_markdown

# Metadata key of the sentences on what made a model and how good it is.
ABOUT = "what_made_this_and_how_good_is_it"


def dated(store: RunStore, run: str, task: Task, report: EvalReport) -> EvalReport:
    """The report with its date and with what made the student.

    Args:
        store: The store of all runs.
        run: Key of the run.
        task: The run's frozen task.
        report: What the evaluation found.
    """
    update = {"evaluated": now(), "provenance": provenance(store, run, task)}
    return report.model_copy(update=update)


def tell_model(context: dg.AssetExecutionContext, store: RunStore, task: Task, report: EvalReport) -> None:
    """Write the scores beside the files of `gguf`, and show them on its page as an observation.

    Args:
        context: The step of `eval_report`.
        store: The store of all runs.
        task: The run's frozen task.
        report: The report of the evaluation, from :func:`dated`.
    """
    run, settings = context.partition_key, task.settings
    exported = store.read_report(run, "gguf", GgufReport)
    origin = report.provenance or provenance(store, run, task)
    verdicts = [row for row in gate_verdicts(context.instance, run) if row.asset != "eval_report"]
    verdicts += [
        GateVerdict(
            gate=row.gate, asset="eval_report", passed=row.passed, severity=row.severity, message=row.message
        )
        for row in check_student(report, settings.gates, BASE, LOOKUP)
    ]
    found = model_evaluation(run, report, exported, settings.evaluation.confidence, verdicts)
    card = write_scores(store, task, origin, found, exported)
    context.log_event(
        dg.AssetObservation(asset_key="gguf", partition=run, metadata=_shown(origin, found, card))
    )


def origin_metadata(origin: Provenance) -> dict[str, Any]:
    """Metadata that says what made a model whose score is not known yet."""
    return {ABOUT: dg.MetadataValue.md(origin_markdown(origin))}


def _shown(origin: Provenance, found: ModelEvaluation, card: str) -> dict[str, Any]:
    student = found.score(found.student)
    assert student is not None
    exact = student.exact
    numbers = {"exact_match": exact.value, "exact_match_low": exact.low, "exact_match_high": exact.high}
    listed = [
        {
            "gate": row.gate,
            "passed": "yes" if row.passed else "no, warned" if row.severity == "warn" else "NO",
            "asset": row.asset,
            "why": row.message,
        }
        for row in found.gates
    ]
    return {
        ABOUT: dg.MetadataValue.md(origin_markdown(origin, found)),
        "gates": table(listed, limit=len(listed)),
        "model_card": dg.MetadataValue.md(card.split("---\n", 2)[-1]),
        **figures(numbers),
        "test_requests": found.n,
    }

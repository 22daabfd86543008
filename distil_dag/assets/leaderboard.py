"""All runs, best first: which model is worth shipping."""

from typing import Any

import dagster as dg

from distil_dag.adapters.run_store import RunStore, digest
from distil_dag.core.reports import EvalReport
from distil_dag.resources.conventions import OWNERS, RELEASE
from distil_dag.resources.metadata import table
from distil_dag.resources.store import StoreResource
from distil_dag.stages.evaluation import LOOKUP
from distil_dag.stages.metrics import EXACT

# `eager()` alone falls silent for good once a gated run has left a partition without a report.
_WHEN_A_RUN_REPORTS = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())


@dg.asset(
    deps=["eval_report"],
    code_version="2",
    kinds={"python", "table"},
    owners=OWNERS,
    group_name=RELEASE,
    automation_condition=_WHEN_A_RUN_REPORTS,
)
def leaderboard(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """Every run that was evaluated: exact match of the student that ships, its lead over a
    lookup of the nearest trace, speed and size. Compare runs of one task only: each task has its
    own test.
    """
    rows = standings(store.open())
    metadata: dict[str, dg.RawMetadataValue] = {
        "runs": table(rows, limit=100),
        "dagster/row_count": len(rows),
    }
    return dg.MaterializeResult(data_version=dg.DataVersion(digest(rows)), metadata=metadata)


def standings(store: RunStore) -> list[dict[str, Any]]:
    """One row for each evaluated run, by task and then by exact match, best first."""
    rows = []
    for run in store.runs():
        try:
            report = store.read_report(run, "eval_report", EvalReport)
        except (FileNotFoundError, ValueError):
            continue  # stopped before its evaluation, or written by a release that reported otherwise
        rows.append(_standing(run, report))
    return sorted(rows, key=lambda row: (row["task"], -row["exact match"], row["run"]))


def _standing(run: str, report: EvalReport) -> dict[str, Any]:
    student = report.candidate(report.student)
    exact = student.metrics[EXACT]
    try:
        lead = report.against(report.student, LOOKUP).difference
        lead_text = f"{lead.value:+.1%} ({lead.low:+.1%} to {lead.high:+.1%})"
    except KeyError:
        lead_text = ""
    return {
        # As it stands there: a run may be older than what keys have to look like.
        "task": run.partition(".")[0],
        "run": run,
        "continues": report.continues,
        "model": student.name,
        "exact match": exact.value,
        "interval": f"{exact.low:.1%} to {exact.high:.1%}",
        "n": student.n,
        "lead over lookup": lead_text,
        "p50 ms": student.latency_ms.get("p50"),
        "MB": round(student.bytes / 1e6, 1),
        "labels": report.test_labels,
    }

"""All runs, best first: which model is worth shipping."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import dagster as dg

from distil_dag.adapters.run_store import RunStore, digest
from distil_dag.core.reports import EvalReport
from distil_dag.resources.conventions import OWNERS, RELEASE
from distil_dag.resources.metadata import table
from distil_dag.resources.store import StoreResource
from distil_dag.stages.evaluation import LOOKUP
from distil_dag.stages.metrics import EXACT

# `eager()` falls silent for good once a gated run has left a partition without a report, waits while
# any other run is under way, and misses what reports just after a refresh. A refresh takes no time.
_WHEN_A_RUN_REPORTS = dg.AutomationCondition.any_deps_updated()
_SHOWN = 100


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
    shown = best_of_each_task(rows, _SHOWN)
    metadata: dict[str, dg.RawMetadataValue] = {
        "runs": table(shown, limit=len(shown)),
        "runs left out": len(rows) - len(shown),
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


def best_of_each_task(rows: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """In the order they have, as many standings of each task as fit into `limit`; one at least."""
    groups = groupby(rows, key=lambda row: row["task"])
    places = [place for _, group in groups for place, _ in enumerate(group)]
    best = sorted(range(len(rows)), key=places.__getitem__)[: max(limit, places.count(0))]
    return [rows[number] for number in sorted(best)]


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

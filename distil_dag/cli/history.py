"""`distil-dag runs`: what was made, when, and how good it is."""

from __future__ import annotations

import json as json_format

import dagster as dg
from rich.console import Console
from rich.table import Table

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.task import Task
from distil_dag.resources.asset_defaults import PARTITION_TAG, RUNS
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.resources.spending import RESUMABLE_TAG
from distil_dag.stages.evaluating.metrics import EXACT


def _task(places: Deployment, run: str) -> Task | None:
    try:
        return RunStore(places.store).read_report(run, "traces", Task, name="task")
    except (FileNotFoundError, ValueError):
        return None


def list_runs(json: bool) -> None:
    """Print every run of this installation, the newest first.

    Args:
        json: Print JSON instead of a table.
    """
    places = deployment()
    rows = _runs(places) if places.exists() else []
    if json:
        print(json_format.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table()
    for name in ("run", "status", "started", "exact match", "n"):
        table.add_column(name)
    for row in rows:
        exact = row["exact_match"]
        table.add_row(
            f"{row['run']}, continues {row['continues']}" if row["continues"] else str(row["run"]),
            f"resumable: {row['resumable']} reached" if row["resumable"] else str(row["status"]),
            str(row["started"]),
            f"{exact:.1%}" if isinstance(exact, float) else "",
            str(row["n"] or ""),
        )
    Console().print(table if rows else "no runs yet: distil-dag run TASK")


def _runs(places: Deployment) -> list[dict[str, object]]:
    newest: dict[str, dict[str, object]] = {}
    with places.instance() as instance:
        keys = instance.get_dynamic_partitions(str(RUNS.name))
        if not keys:
            return []
        for record in instance.get_run_records(dg.RunsFilter(tags={PARTITION_TAG: keys})):
            key = record.dagster_run.tags[PARTITION_TAG]
            newest.setdefault(key, _row(key, record, places))
    return list(newest.values())


def _row(key: str, record: dg.RunRecord, places: Deployment) -> dict[str, object]:
    task = _task(places, key)
    try:
        report = RunStore(places.store).read_report(key, "eval_report", EvalReport)
        exact = report.candidate(report.student).metrics[EXACT].value
        measured: tuple[float | None, int | None] = (exact, report.n)
    except (FileNotFoundError, ValueError):
        measured = (None, None)
    return {
        "run": key,
        "continues": (task and task.continues) or None,
        "status": record.dagster_run.status.value.lower(),
        "resumable": record.dagster_run.tags.get(RESUMABLE_TAG),
        "started": record.create_timestamp.isoformat(timespec="seconds"),
        "dagster_run_id": record.dagster_run.run_id,
        "exact_match": measured[0],
        "n": measured[1],
    }

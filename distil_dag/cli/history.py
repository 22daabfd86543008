"""`distil-dag runs`: what was made, when, and how good it is."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import dagster as dg
from rich.console import Console
from rich.text import Text

from distil_dag.adapters.run_store import RunStore
from distil_dag.automation.jobs import CHAIN
from distil_dag.cli.run_files import frozen_task
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.resources.asset_defaults import PARTITION_TAG, RUNS
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.resources.spending import RESUMABLE_TAG
from distil_dag.stages.evaluating.metrics import EXACT

_INDENT = "  "
# The colour of a status; others are yellow.
_COLOURS = {"success": "green", "failure": "red"}


def list_runs(json: bool) -> None:
    """Print every run of this installation, the newest first.

    Args:
        json: Print JSON instead of text: two lines a run, of which the first is its key.
    """
    places = deployment()
    rows = _runs(places) if places.exists() else []
    if json:
        print(json_format.dumps(rows, ensure_ascii=False, indent=2))
        return
    console = Console()
    for row in rows:
        # Not wrapped: a key is there to be copied.
        console.print(Text(str(row["run"]), style="bold"), soft_wrap=True)
        for line in _told(row).wrap(console, console.width - len(_INDENT)):
            line.rstrip()
            console.print(_INDENT, line, sep="", highlight=False)
    if not rows:
        console.print("no runs yet: distil-dag run TASK")


def _told(row: Mapping[str, Any]) -> Text:
    """When the run was started, what came of it, and its score."""
    status, colour = row["status"], _COLOURS.get(row["status"], "yellow")
    if row["resumable"]:
        status, colour = f"resumable: {row['resumable']} reached", "yellow"
    elif row["failed_gates"]:
        status += f" of gate {', '.join(row['failed_gates'])}"
    elif row["stage"]:
        status += f" at {row['stage']}"
    parts = [Text(f"{datetime.fromisoformat(row['started']):%Y-%m-%d %H:%M}"), Text(status, style=colour)]
    if row["status"] != "success":
        parts.append(Text(_reached(row["made"])))
    if row["exact_match"] is not None:
        parts.append(Text(f"exact match {row['exact_match']:.1%} of {row['n']}"))
    if row["continues"]:
        parts.append(Text(f"continues {row['continues']}"))
    return Text(" · ").join(parts)


def _reached(made: Sequence[str]) -> str:
    if len(made) > 1 and tuple(made) == CHAIN[: len(made)]:
        return f"made {made[0]} to {made[-1]}"
    return f"made {', '.join(made) or 'nothing'}"


def _runs(places: Deployment) -> list[dict[str, Any]]:
    newest: dict[str, dg.RunRecord] = {}
    with places.instance() as instance:
        keys = instance.get_dynamic_partitions(str(RUNS.name))
        if not keys:
            return []
        for record in instance.get_run_records(dg.RunsFilter(tags={PARTITION_TAG: keys})):
            newest.setdefault(record.dagster_run.tags[PARTITION_TAG], record)
        held = {asset: instance.get_materialized_partitions(dg.AssetKey(asset)) for asset in CHAIN}
        return [
            _row(key, record, [asset for asset in CHAIN if key in held[asset]], instance, places)
            for key, record in newest.items()
        ]


def _row(
    key: str, record: dg.RunRecord, made: list[str], instance: dg.DagsterInstance, places: Deployment
) -> dict[str, Any]:
    run, store = record.dagster_run, RunStore(places.store)
    task = frozen_task(key, RunStore(places.store))
    exact, n = None, None
    with suppress(FileNotFoundError, ValueError):
        report = store.read_report(key, "eval_report", EvalReport)
        exact, n = report.candidate(report.student).metrics[EXACT].value, report.n
    stage, gates = (None, []) if run.is_success else _where(instance, run)
    return {
        "run": key,
        "continues": (task and task.continues) or None,
        "status": _status(run, made),
        "stage": stage,
        "failed_gates": gates,
        "made": made,
        "resumable": run.tags.get(RESUMABLE_TAG),
        "started": record.create_timestamp.isoformat(timespec="seconds"),
        "dagster_run_id": run.run_id,
        "exact_match": exact,
        "n": n,
    }


def _status(run: dg.DagsterRun, made: list[str]) -> str:
    """`success` is a model: a Dagster run that ended well may have made a part of the chain alone."""
    if run.is_success:
        return "success" if len(made) == len(CHAIN) else "incomplete"
    if run.is_finished:
        return run.status.value.lower()
    return (
        "running" if run.status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING) else "queued"
    )


def _where(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str | None, list[str]]:
    """The stage that failed or is at work, and the gates that failed."""
    told = {
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        dg.DagsterEventType.STEP_START,
        dg.DagsterEventType.STEP_FAILURE,
    }
    stage, gates = None, []
    for record in instance.get_records_for_run(run.run_id, of_type=told).records:
        event = record.event_log_entry.get_dagster_event()
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            verdict = event.asset_check_evaluation_data
            if not verdict.passed and verdict.severity is dg.AssetCheckSeverity.ERROR:
                gates.append(verdict.check_name)
        elif event.is_step_failure:
            return event.step_key, gates
        else:
            stage = event.step_key
    return stage, gates

"""How all evaluated runs of a store stand, each by the student that ships."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.reports import EvalReport
from distil_dag.stages.evaluating.candidate import LOOKUP
from distil_dag.stages.evaluating.metrics import EXACT


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

"""What served students have earned, as Dagster shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from distil_dag.adapters.serving.served_tasks import ServedTask
from distil_dag.resources.metadata import image, metadata_key, table
from distil_dag.stages.serving.exchanges.overview import Agreement
from distil_dag.stages.serving.exchanges.plot import overview_plot

SERVING = dg.AssetKey("serving")
_CHANGES = 20


def serving_metadata(tasks: Sequence[ServedTask]) -> dict[str, dg.RawMetadataValue]:
    """Tables of all served tasks and of what has changed, a plot of each, and figures that Dagster plots.

    Args:
        tasks: what servers have left.
    """
    found: dict[str, dg.RawMetadataValue] = {
        "tasks": table([_row(task) for task in tasks], limit=len(tasks)),
        "changes": table(_changes(tasks), limit=_CHANGES),
    }
    for task in tasks:
        name = metadata_key(task.name)
        if task.standing:
            found[f"proved_coverage_{name}"] = round(task.standing.coverage, 4)
            if task.standing.bound is not None:
                found[f"proved_agreement_{name}"] = round(task.standing.bound, 4)
        if task.overview and task.overview.answered:
            found[f"requests_{name}"] = task.overview.answered
            found[f"answered_alone_{name}"] = round(task.overview.alone, 4)
            target = task.identity.target if task.identity else None
            found[f"plot_{name}"] = image(overview_plot(task.overview, target), task.name)
    return found


def _row(task: ServedTask) -> dict[str, Any]:
    standing, overview = task.standing, task.overview
    return {
        "task": task.name,
        "student": task.identity.student if task.identity else overview.student if overview else "",
        "teacher": task.identity.teacher if task.identity else "none",
        "promise": f"{task.identity.target:.1%} at {task.identity.confidence:.0%}"
        if task.identity
        else "none",
        "proved for": f"{standing.coverage:.1%} of requests" if standing else "",
        "bound": f"{standing.bound:.1%}" if standing and standing.bound is not None else "",
        "threshold": f"{standing.threshold:.4g}" if standing and standing.threshold is not None else "",
        "answers compared": standing.answers if standing else "",
        "requests, 30 days": overview.answered if overview else "",
        "answered alone": f"{overview.alone:.1%}" if overview and overview.answered else "",
        "audits agree": _said(overview.heard) if overview else "",
        "shadow agrees": _said(overview.shadow) if overview else "",
        "trouble": task.trouble,
    }


def _said(found: Agreement) -> str:
    if found.share is None:
        return ""
    return f"{found.share.value:.1%} ({found.share.low:.1%} to {found.share.high:.1%}) of {found.compared}"


def _changes(tasks: Sequence[ServedTask]) -> list[dict[str, Any]]:
    rows = [
        {
            "time": change.time,
            "task": task.name,
            "what": change.what,
            "of requests": f"{change.coverage:.1%}",
            "after answers": change.answers,
        }
        for task in tasks
        if task.standing
        for change in task.standing.history
    ]
    return sorted(rows, key=lambda row: str(row["time"]), reverse=True)

"""`distil-dag served`: what served students have earned, in a terminal."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from distil_dag.adapters.serving.served_tasks import ServedTask, served_tasks
from distil_dag.resources.deployment import deployment

_CHANGES = 5


def list_served(json: bool) -> None:
    """Print every task that is or was served.

    Args:
        json: Print JSON instead of text.
    """
    tasks = served_tasks(deployment().home)
    if json:
        print(json_format.dumps([_row(task) for task in tasks], ensure_ascii=False, indent=2))
        return
    console = Console()
    for task in tasks:
        console.print(Text(task.name, style="bold"), soft_wrap=True)
        for line in _told(task):
            console.print(f"  {line}", highlight=False, markup=False)
    if not tasks:
        console.print("nothing was served yet: distil-dag serve TASK")


def _row(task: ServedTask) -> dict[str, Any]:
    overview = task.overview
    return {
        "task": task.name,
        "identity": task.identity and asdict(task.identity),
        "standing": task.standing and asdict(task.standing),
        "overview": overview and overview.model_dump(mode="json", exclude={"points", "disagreements"}),
        "trouble": task.trouble,
    }


def _told(task: ServedTask) -> list[str]:
    lines = []
    identity, standing, overview = task.identity, task.standing, task.overview
    if identity and standing:
        lines.append(f"{identity.student} beside {identity.teacher}")
        promise = f"at least {identity.target:.1%} agree, with {identity.confidence:.0%} confidence"
        if standing.bound is None:
            lines.append(f"promise: {promise}; nothing is proved yet, by {standing.answers} answers")
        else:
            lines.append(
                f"promise: {promise}; proved for {standing.coverage:.1%} of requests, where the bound is "
                f"{standing.bound:.1%} by {standing.evidence} answers"
            )
    if overview and overview.answered:
        lines.append(f"{overview.answered} requests in 30 days, {overview.alone:.1%} answered alone")
        for who, found in (("audits", overview.heard), ("answers in the shadow", overview.shadow)):
            if found.share:
                low, high = found.share.low, found.share.high
                lines.append(
                    f"{found.share.value:.1%} ({low:.1%} to {high:.1%}) of {found.compared} {who} agree"
                )
    elif overview:
        lines.append("no request in 30 days")
    for change in reversed(standing.history[-_CHANGES:] if standing else ()):
        lines.append(f"{change.time}: {change.what} ({change.coverage:.1%} of requests)")
    return [*lines, task.trouble] if task.trouble else lines

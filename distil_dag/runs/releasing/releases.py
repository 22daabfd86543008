"""The releases of each task, in the store beside its runs, where servers find the champion."""

from __future__ import annotations

from datetime import datetime

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.promotion import Champions, Decision, Release

# A key never begins with a dot.
_FOLDER = ".champions"


def read_champions(store: RunStore, task: str) -> Champions:
    """The releases of a task, and the last decision.

    Args:
        store: The store of all runs.
        task: Name of the task.
    """
    try:
        return store.read_report(_FOLDER, task, Champions)
    except FileNotFoundError:
        return Champions()


def release(store: RunStore, task: str, found: Champions, one: Release) -> Champions:
    """Write a release down; servers that follow the task see it at their next look.

    Args:
        store: The store of all runs.
        task: Name of the task.
        found: The releases before it.
        one: The new one.
    """
    return _kept(store, task, found.model_copy(update={"releases": [*found.releases, one]}))


def keep_decision(
    store: RunStore, task: str, found: Champions, decision: Decision, seen_until: datetime | None
) -> Champions:
    """Write a decision down.

    Args:
        store: The store of all runs.
        task: Name of the task.
        found: The releases so far.
        decision: The decision.
        seen_until: Until when traces have been looked at by now.
    """
    new = found.model_copy(update={"decision": decision, "seen_until": seen_until})
    return _kept(store, task, new)


def _kept(store: RunStore, task: str, found: Champions) -> Champions:
    store.write_report(_FOLDER, task, found)
    return found

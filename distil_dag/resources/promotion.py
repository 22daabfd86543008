"""A release by hand, a rollback, and a challenger held against the champion as the task has it."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.promotion import Champions, How, Release
from distil_dag.resources.gate_verdicts import gate_verdicts
from distil_dag.resources.progress import logged
from distil_dag.resources.tasks import TasksResource
from distil_dag.runs.releasing.promotion import hold
from distil_dag.runs.releasing.releases import keep_decision, read_champions, release
from distil_dag.runs.releasing.standings import newest_evaluated, require_student


def release_by_hand(store: RunStore, task: str, run: str) -> Champions:
    """Release a run whatever the figures say.

    Args:
        store: The store of all runs.
        task: Name of the task.
        run: Key of the run.

    Raises:
        ValueError: It is another task's.
        FileNotFoundError: It has not been evaluated, or does not exist.
    """
    require_student(store, task, run)
    found = read_champions(store, task)
    return release(store, task, found, _now(run, "by hand", "somebody released it"))


def roll_back(store: RunStore, task: str) -> Champions:
    """Release the champion before this one again.

    Args:
        store: The store of all runs.
        task: Name of the task.

    Raises:
        ValueError: There was none of another run.
    """
    found = read_champions(store, task)
    if found.before is None or found.current is None:
        raise ValueError(f"{task} has had no champion of another run: there is nothing to go back to")
    taken_back = f"somebody took {found.current.run} back"
    return release(store, task, found, _now(found.before.run, "rollback", taken_back))


def challenge(
    context: dg.AssetExecutionContext, store: RunStore, tasks: TasksResource, name: str, run: str
) -> Champions:
    """Hold a run against the champion of its task; the first one is released at once.

    Args:
        context: The step, for its log and the verdicts of gates.
        store: The store of all runs.
        tasks: Finds the task, whose `promotion` counts.
        name: Name of the task.
        run: Key of the run; empty for the one that was evaluated last.

    Raises:
        ValueError: It is another task's.
        FileNotFoundError: It has not been evaluated, or does not exist.
    """
    found = read_champions(store, name)
    run = run or newest_evaluated(store, name)
    require_student(store, name, run)
    standing = found.current
    if standing is None:
        return release(store, name, found, _now(run, "first", "the task had no champion"))
    if standing.run == run:
        context.log.info(f"{run} is the champion already")
        return found
    task = tasks.task(name)
    failed = [one.gate for one in gate_verdicts(context.instance, run) if one.stops]
    decision, seen_until = hold(
        store, run, standing.run, task, failed, found.seen_until, logged(context.log, "asking both")
    )
    found = keep_decision(store, name, found, decision, seen_until)
    context.log.info(f"{run} against {standing.run}: {decision.verdict}: {decision.reason}")
    if decision.verdict == "promote" and task.settings.promotion.mode == "auto":
        return release(store, name, found, _now(run, "won", decision.reason))
    return found


def _now(run: str, how: How, reason: str) -> Release:
    return Release(run=run, released=datetime.now(UTC), how=how, reason=reason)

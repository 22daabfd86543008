"""`distil-dag champions`, `promote` and `rollback`: which student each task is served with."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping

import dagster as dg
from rich.console import Console
from rich.table import Table

from distil_dag.adapters.run_store import RunStore
from distil_dag.cli.errors import CommandError
from distil_dag.cli.execution import materialize_champion
from distil_dag.cli.live import reason_of
from distil_dag.core.promotion import Champions
from distil_dag.resources.asset_defaults import TASKS
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.runs.releasing.releases import read_champions


def list_champions(json: bool) -> None:
    """Print the champion of every task that has one.

    Args:
        json: Print all releases and the last decision of each as JSON.
    """
    places = deployment()
    found = _all(places) if places.exists() else {}
    if json:
        told = {task: one.model_dump(mode="json") for task, one in found.items()}
        print(json_format.dumps(told, ensure_ascii=False, indent=2))
        return
    console = Console()
    if not found:
        console.print("no champions yet: `distil-dag promote RUN` releases a run")
        return
    table = Table()
    for name in ("task", "champion", "since (UTC)", "why", "last challenger"):
        table.add_column(name, overflow="fold")
    for task, one in found.items():
        if one.current is None:
            continue
        last = one.decision
        table.add_row(
            task,
            one.current.run,
            f"{one.current.released:%Y-%m-%d %H:%M}",
            f"{one.current.how}: {one.current.reason}",
            f"{last.challenger}: {last.verdict}. {last.reason}" if last else "",
        )
    console.print(table)


def promote_run(run: str, if_better: bool) -> None:
    """Release a run's student.

    Args:
        run: Key of the run.
        if_better: Hold it against the champion first, and release it only where it wins.

    Raises:
        CommandError: There is no such run, or it has no measured student.
    """
    places = deployment()
    task = run.partition(".")[0]
    if not RunStore(places.store).has(run):
        raise CommandError(f"there is no run {run!r}: `distil-dag runs` lists all")
    if if_better:
        found = _materialized(places, task, {"challenger": run})
        last = found.decision
        won = last is not None and last.challenger == run and last.verdict == "promote"
        if last is not None and last.challenger == run:
            print(f"{run} against {last.champion}: {last.verdict}. {last.reason}")
        if not won or (found.current is not None and found.current.run == run):
            _say(task, found)
            return
    _say(task, _materialized(places, task, {"promote": run}))


def roll_back(task: str) -> None:
    """Release the champion before this one again.

    Args:
        task: Name of the task.

    Raises:
        CommandError: There was none.
    """
    places = deployment()
    if read_champions(RunStore(places.store), task).before is None:
        raise CommandError(f"{task} has had no champion of another run: there is nothing to go back to")
    _say(task, _materialized(places, task, {"rollback": True}))


def _materialized(places: Deployment, task: str, config: Mapping[str, object]) -> Champions:
    with places.instance() as instance:
        run = materialize_champion(instance, places, task, config)
        if run.status is not dg.DagsterRunStatus.SUCCESS:
            raise CommandError(_why(instance, run))
    return read_champions(RunStore(places.store), task)


def _why(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """The reason of the failed step."""
    entries = instance.all_logs(run.run_id, dg.DagsterEventType.STEP_FAILURE)
    reasons = [reason_of(entry.dagster_event) for entry in entries if entry.dagster_event]
    return reasons[0] if reasons else f"no champion was released: see the run {run.run_id} in the UI"


def _say(task: str, found: Champions) -> None:
    if found.current is not None:
        print(f"{task} is served with {found.current.run} ({found.current.how}: {found.current.reason})")


def _all(places: Deployment) -> dict[str, Champions]:
    with places.instance() as instance:
        tasks = sorted(instance.get_dynamic_partitions(str(TASKS.name)))
    store = RunStore(places.store)
    return {task: found for task in tasks if (found := read_champions(store, task)).releases}

"""`distil-dag forget`: what a deleted trace has touched, its end, and the proof of it."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import dagster as dg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from distil_dag.adapters.forgetting.kept_tombstones import read_tombstones
from distil_dag.adapters.run_store import APART, RunStore
from distil_dag.adapters.system.locks import locked
from distil_dag.cli.errors import CommandError
from distil_dag.cli.task_folders import find_task
from distil_dag.core.reports.forgetting import AffectedRun, ForgetRecord
from distil_dag.core.task import Task
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.resources.forgotten import in_flight, tell_forgotten, unsearched
from distil_dag.resources.tasks import TasksResource
from distil_dag.runs.forgetting.forget import affected, begin, clean, finish, records, verify, write_record
from distil_dag.runs.forgetting.found import Found, find
from distil_dag.runs.forgetting.scope import Scope
from distil_dag.runs.provenance import now


@dataclass(frozen=True)
class Request:
    """What the command line asks for; see `distil-dag forget --help`."""

    ids: Sequence[str]
    where: Sequence[str]
    tasks: Sequence[str]
    exchanges: Sequence[str]
    yes: bool
    delete_models: bool
    by: str
    reason: str
    verify: bool
    json: bool


def forget_traces(asked: Request) -> int:
    """Show, or do, what a request to forget asks for.

    Args:
        asked: The request.

    Returns:
        The exit code: 0, or 1 where a search found something.

    Raises:
        CommandError: The request can't be understood, or a run is under way.
    """
    if not (asked.ids or asked.where or asked.verify):
        raise CommandError("name traces by their ids or by --where FIELD=VALUE, or ask for --verify")
    places = deployment()
    store = RunStore(places.store)
    with ExitStack() as stack:
        (places.home / "locks").mkdir(parents=True, exist_ok=True)
        stack.enter_context(locked(places.home / "locks" / "forget.lock"))
        instance = stack.enter_context(places.instance()) if places.exists() else None
        scope = Scope(store, places.home, places.dagster_home, asked.exchanges, read_tombstones(store))
        told: list[ForgetRecord] = []
        if asked.ids or asked.where:
            found = find(store, asked.ids, _fields(asked.where), _tasks(asked, places), asked.exchanges)
            if not asked.yes:
                _preview(found, affected(store, found), asked)
            else:
                told = _carry_out(scope, found, asked, instance)
        left = verify(scope) if asked.verify and (asked.yes or not (asked.ids or asked.where)) else None
        if left == []:
            _stamp(scope)
    return _tell(asked, store, told, left, unsearched(instance) if instance else [])


def _carry_out(
    scope: Scope, found: Found, asked: Request, instance: dg.DagsterInstance | None
) -> list[ForgetRecord]:
    if instance and (running := in_flight(instance)):
        raise CommandError(
            f"{', '.join(running)} is under way, and may write what is to be forgotten: wait for it or "
            "terminate it, then ask again",
            exit_code=1,
        )
    waiting = [record for record in records(scope.store) if not record.finished]
    if _is_new(scope, found, waiting):
        named = [field.partition("=")[0] for field in asked.where]
        blank = ForgetRecord(
            request="", begun="", asked_by=asked.by, reason=asked.reason, by=named or ["ids"],
            unsearched=unsearched(instance) if instance else [],
        )  # fmt: skip
        waiting.append(begin(scope, found, blank))
    done = [finish(scope, record, asked.delete_models) for record in waiting]
    if not done:
        clean(scope)
    for record in done if instance else ():
        assert instance is not None
        tell_forgotten(instance, record)
    return done


def _is_new(scope: Scope, found: Found, waiting: Sequence[ForgetRecord]) -> bool:
    """Whether a request asks for more than those that were ended in the middle, and those that are done."""
    hashes = {scope.stones.hash("id", one) for one in found.ids}
    if any(hashes <= set(record.hashes) for record in waiting):
        return False
    is_there = bool(found.traces or found.exchanges or found.excerpts)
    return bool(hashes) and (is_there or not hashes <= scope.stones.ids)


def _stamp(scope: Scope) -> None:
    for record in records(scope.store):
        if record.finished and not record.verified:
            write_record(scope.store, record.model_copy(update={"verified": now()}))


def _tasks(asked: Request, places: Deployment) -> list[Task]:
    if not asked.where:
        return []
    if asked.tasks:
        return [find_task(name, places) for name in asked.tasks]
    known = TasksResource(folders=[str(folder) for folder in places.task_folders])
    return [known.task(name) for name in known.names()]


def _fields(where: Sequence[str]) -> dict[str, str]:
    found = {}
    for field in where:
        name, equals, value = field.partition("=")
        if not equals or not name.strip():
            raise CommandError(f"--where {field!r}: write it as FIELD=VALUE, e.g. --where user=ann")
        found[name.strip()] = value
    return found


def _preview(found: Found, runs: list[AffectedRun], asked: Request) -> None:
    if asked.json:
        print(json_format.dumps(_as_json(found, runs), ensure_ascii=False, indent=2))
        return
    console = Console()
    console.print(
        f"{len(found.traces)} traces, {len(found.derived)} synthetic rows made from them, "
        f"{found.exchanges} exchanges, {len(found.excerpts)} unreadable records",
        highlight=False,
    )
    _show_runs(console, runs)
    unknown = sorted(found.ids - {trace.id for trace in found.traces})
    if unknown:
        console.print(f"In no table of traces: {', '.join(unknown)}", highlight=False, markup=False)
    console.print("Nothing was changed. The same command with --yes does it.", style="bold")


def _as_json(found: Found, runs: list[AffectedRun]) -> dict[str, object]:
    return {
        "traces": sorted(found.ids),
        "derived": [row.id for row in found.derived],
        "exchanges": found.exchanges,
        "unreadable": len(found.excerpts),
        "runs": [run.model_dump(mode="json") for run in runs],
        "logs": found.logs,
        "changed": False,
    }


def _tell(
    asked: Request, store: RunStore, done: list[ForgetRecord], left: list[str] | None, beyond: list[str]
) -> int:
    if asked.json and (asked.yes or left is not None):
        said = {"records": [one.model_dump(mode="json") for one in done], "found": left, "unsearched": beyond}
        print(json_format.dumps(said, ensure_ascii=False, indent=2))
    elif not asked.json:
        console = Console()
        for record in done:
            console.print(f"Forgotten: {record.traces} traces, request {record.request}", highlight=False)
            _show_runs(console, record.runs)
            path = store.folder(APART, "records") / f"{record.request}.md"
            console.print(f"Record: {path}", soft_wrap=True, highlight=False)
        if asked.yes and not done:
            console.print("All of it was forgotten before; what a killed request had left is deleted.")
        for place in left or ():
            console.print(Text(f"still there: {place}", style="red"), soft_wrap=True)
        for place in beyond if left is not None else ():
            console.print(Text(f"not searched: {place}", style="yellow"), soft_wrap=True)
        if left == []:
            console.print("Searched all files and databases: nothing of what was forgotten is there.")
    return 1 if left or (left is not None and beyond) else 0


def _show_runs(console: Console, runs: Sequence[AffectedRun]) -> None:
    if not runs:
        return
    table = Table("run", "the trace was", "rows", "what to do")
    for run in runs:
        rows = ", ".join(f"{name} {count}" for name, count in run.rows.items())
        table.add_row(run.run, ", ".join(run.roles), rows, run.advice)
    console.print(table)

"""`distil-dag run`: the whole chain, its progress, and its result."""

from __future__ import annotations

import json as json_format
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import dagster as dg
from rich.console import Console
from rich.table import Table

from distil_dag.adapters.run_store import RunStore
from distil_dag.cli.errors import CommandError
from distil_dag.cli.execution import execute, materialize_leaderboard
from distil_dag.cli.live import Story
from distil_dag.cli.pools import holders
from distil_dag.cli.streams import own_stream
from distil_dag.cli.task_folders import find_task, going_on, parse_overrides
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.run_key import RunKey
from distil_dag.core.run_plan import BEGINNING
from distil_dag.core.sources import has_times
from distil_dag.core.task import Task
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.resources.spending import RESUMABLE_TAG, run_command
from distil_dag.runs.pages import run_log
from distil_dag.stages.evaluating.metrics import METRICS
from distil_dag.stages.reporting.markdown import helped

# The exit code of a run that its budget stopped.
OUT_OF_BUDGET = 3


def run_task(task_text: str, key_text: str | None, parent: str, settings: list[str], json: bool) -> int:
    """Run the chain for a task.

    Args:
        task_text: A task folder, or the name of a known task.
        key_text: Key of the run; None for all traces up to now.
        parent: Key of a run to continue, or empty.
        settings: Overrides of settings, `a.b=c`.
        json: Print one JSON object instead of a table.

    Returns:
        The exit code.
    """
    places = deployment()
    overrides = parse_overrides(settings)
    task = find_task(task_text, places, overrides)
    key = run_key(task, key_text, datetime.now(UTC))
    task = going_on(task, key, parent, RunStore(places.store))
    places.register(Path(task.folder))
    began = time.monotonic()
    with places.instance() as instance, _own_terminal(places, key) as terminal:
        console = Console(file=terminal, stderr=False)
        for warning in task.warnings:
            console.print(f"[yellow]note:[/yellow] {warning}", highlight=False)
        console.print(f"run [bold]{key}[/bold] (log: {run_log(places.home, key)})", highlight=False)
        story = Story(console, partial(holders, instance))
        chosen = {"overrides": overrides, "continues": task.continues}
        config = {"ops": {"traces": {"config": {name: said for name, said in chosen.items() if said}}}}
        try:
            run = execute(instance, places, key, config, story.tell)
        finally:
            story.close()
        if run.status is not dg.DagsterRunStatus.CANCELED:
            materialize_leaderboard(instance, places)
    result = _result(task, key, run, story, RunStore(places.store), time.monotonic() - began)
    if json:
        print(json_format.dumps(result, ensure_ascii=False, indent=2))
    else:
        _show(result, lambda changed: run_command(task, key, {**overrides, **changed}), Console())
    return 0 if result["success"] else OUT_OF_BUDGET if result["resumable"] else 1


def run_key(task: Task, text: str | None, now: datetime) -> str:
    """The run key that a user means.

    Args:
        task: The task.
        text: The key as typed; None for all traces up to `now`.
        now: The current time, UTC.

    Raises:
        CommandError: The text is no key, or another task's.
    """
    if text is None:
        if not has_times(task.settings.traces):
            return str(RunKey(task=task.name, label=now.strftime("%Y%m%dT%H%M%SZ")))
        return str(RunKey(task=task.name, since=BEGINNING, until=now.replace(microsecond=0)))
    try:
        key = RunKey.parse(text, default_task=task.name).cut_by(has_times(task.settings.traces))
    except ValueError as error:
        raise CommandError(f"--run {error}") from None
    if key.task != task.name:
        raise CommandError(f"--run {text!r} is a key of task {key.task!r}, and this is {task.name!r}")
    return str(key)


@contextmanager
def _own_terminal(places: Deployment, key: str) -> Iterator[TextIO]:
    """The terminal for this command alone; output of stages and libraries goes to the log file."""
    log = run_log(places.home, key)
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    with log.open("ab") as file, own_stream(os.dup(2)) as terminal:
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, original in zip((1, 2), kept, strict=True):
                os.dup2(original, descriptor)
                os.close(original)


def _result(
    task: Task, key: str, run: dg.DagsterRun, story: Story, store: RunStore, seconds: float
) -> dict[str, Any]:
    success = run.status is dg.DagsterRunStatus.SUCCESS
    result: dict[str, Any] = {
        "task": task.name,
        "run": key,
        "dagster_run_id": run.run_id,
        "success": success,
        "status": run.status.value.lower(),
        "failed_stage": story.failed_stage,
        "error": story.error,
        "resumable": run.tags.get(RESUMABLE_TAG),
        "failed_gates": story.failed_gates,
        "warnings": story.warnings,
        "seconds": round(seconds, 1),
        "stages": story.seconds,
        "report": None,
        "gguf": None,
        "gguf_files": {},
        "candidates": [],
        "comparisons": [],
        "cells": None,
        "continues": task.continues or None,
        "helped": None,
    }
    if "gguf" in story.succeeded:
        exported = store.read_report(key, "gguf", GgufReport)
        folder = store.folder(key, "gguf") / "files"
        result["gguf_files"] = {file.format: str(folder / Path(file.path).name) for file in exported.files}
        result["gguf"] = str(folder / Path(exported.primary).name)
    if "eval_report" in story.succeeded:
        report = store.read_report(key, "eval_report", EvalReport)
        result["report"] = str(store.folder(key, "eval_report") / "report.html")
        result["candidates"] = [
            candidate.model_dump(exclude={"per_tool", "per_argument"}) for candidate in report.candidates
        ]
        result["comparisons"] = [comparison.model_dump() for comparison in report.comparisons]
        result["cells"] = report.cells.model_dump() if report.cells else None
        result["helped"] = helped(report) or None
    return result


def _show(result: dict[str, Any], again: Callable[[Mapping[str, str]], str], console: Console) -> None:
    if result["candidates"]:
        console.print(_candidates(result))
    if result["helped"]:
        console.print(result["helped"], highlight=False, markup=False)
    for label, path in (("report", result["report"]), ("model", result["gguf"])):
        if path:
            console.print(f"{label}: {path}", highlight=False, soft_wrap=True)
    if result["success"]:
        console.print(f"[green]success[/green] in {result['seconds'] / 60:.1f} min", highlight=False)
        return
    if result["resumable"]:
        # The stage has printed the reason already, with the command that goes on.
        console.print(f"[yellow]resumable[/yellow]: stopped by {result['resumable']}", highlight=False)
        return
    console.print(f"[red]{result['status']}[/red]: {_why(result)}", highlight=False, soft_wrap=True)
    # Settings hold brackets, which `print` would take for its markup.
    for line in _how_on(result, again):
        console.out(line, highlight=False)


def _how_on(result: dict[str, Any], again: Callable[[Mapping[str, str]], str]) -> Iterator[str]:
    """What to do about failed gates, and the command that goes on."""
    gates = result["failed_gates"]
    for gate in gates:
        yield f"{gate['gate']}: {gate['message']}"
        yield from (f"  - {way}" for way in gate["ways_out"])
    kept = "what does not change is not done, nor paid for, again."
    if not gates:
        yield f"`{again({})}` goes on from here: {kept}"
    elif all(gate["overrides"] for gate in gates):
        passing = {name: value for gate in gates for name, value in gate["overrides"].items()}
        yield f"`{again(passing)}` goes on with that: {kept}"
    else:
        yield f"`{again({})}` goes on after a change of the task, its log or `--set SETTING=VALUE`: {kept}"


def _why(result: dict[str, Any]) -> str:
    if result["failed_gates"]:
        names = ", ".join(gate["gate"] for gate in result["failed_gates"])
        return f"stopped by its gates ({names})"
    if result["failed_stage"]:
        return f"{result['failed_stage']} failed"
    return "interrupted" if result["status"] == "canceled" else "the run ended early; see its log"


def _candidates(result: dict[str, Any]) -> Table:
    leads = {row["second"]: row["difference"] for row in result["comparisons"]}
    table = Table(title=f"{result['run']}: {result['candidates'][0]['n']} test cases")
    for name in ("candidate", "exact match", "interval", "student's lead", "p50", "size"):
        table.add_column(name, justify="left" if name == "candidate" else "right")
    for candidate in result["candidates"]:
        exact = candidate["metrics"][METRICS[0]]
        lead = leads.get(candidate["name"])
        p50 = candidate["latency_ms"].get("p50")
        table.add_row(
            candidate["name"],
            f"{exact['value']:.1%}",
            f"{exact['low']:.1%} to {exact['high']:.1%}",
            f"{lead['value']:+.1%} ({lead['low']:+.1%} to {lead['high']:+.1%})" if lead else "",
            f"{p50:.0f} ms" if p50 else "",
            f"{candidate['bytes'] / 1e6:.0f} MB" if candidate["bytes"] else "",
        )
    return table

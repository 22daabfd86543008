"""The progress of a run in the terminal, from its Dagster events."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster_shared.error import SerializableErrorInfo
from rich.console import Console
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from distil_dag.cli.durations import duration
from distil_dag.resources.gate_metadata import advice_of
from distil_dag.stages.progress import ProgressLine

_Type = dg.DagsterEventType
_BAR_WIDTH = 30
# Dagster repeats only every five minutes that a step is blocked.
_ASK_SECONDS = 5.0


@dataclass
class _Wait:
    """A step that waits for a pool: what was said of it, and when to ask who holds the pool."""

    pool: str
    said: str = ""
    ask_at: float = 0.0


@dataclass
class Story:
    """Follows the events of one run: prints them, and keeps what the result needs.

    Attributes:
        console: Where to print.
        holders: Who holds the places of a pool.
        started: Step -> start time in seconds since the Unix epoch.
        seconds: Step -> duration in seconds.
        succeeded: Steps that succeeded.
        failed_gates: Gate, asset, message, ways out, and settings that pass, of each failed gate.
        warnings: The same of each gate that warns.
        failed_stage: The step that failed; None without one.
        error: Its error.
    """

    console: Console
    holders: Callable[[str], list[str]] = lambda pool: []
    started: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    succeeded: set[str] = field(default_factory=set)
    failed_gates: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    failed_stage: str | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        self._waits: dict[str, _Wait] = {}
        self._status = self.console.status("starting …")
        if self.console.is_terminal:
            self._status.start()

    def close(self) -> None:
        """Restore the terminal."""
        self._status.stop()

    def tell(self, events: list[dg.EventLogEntry]) -> None:
        """Process new events, in their order."""
        for event in events:
            if event.step_key and not _blocking_pool(event.dagster_event):
                self._waits.pop(event.step_key, None)
            if event.is_dagster_event:
                self._event(event)
            elif event.step_key and int(event.level) >= logging.INFO:
                important = int(event.level) >= logging.WARNING
                self._line(event.step_key, event.user_message, important)
        self._tell_waits()

    def _event(self, entry: dg.EventLogEntry) -> None:
        event = entry.get_dagster_event()
        step = event.step_key or ""
        if event.event_type is _Type.STEP_START:
            self.started[step] = entry.timestamp
            if not _is_gate(step):
                self._print(f"[bold]{step}[/bold]")
                self._status.update(step)
        elif event.event_type is _Type.STEP_SUCCESS:
            self._ended(step, entry.timestamp)
            self.succeeded.add(step)
            if not _is_gate(step):
                self._print(f"  [green]done[/green] in {duration(self.seconds[step])}")
        elif _is_interrupt(event):
            # Dagster marks an interrupted step for retry even where the whole run is ending.
            self._ended(step, entry.timestamp)
            self._print(f"  [yellow]stopped[/yellow] {step}")
        elif event.event_type is _Type.STEP_UP_FOR_RETRY:
            self._print(f"  [yellow]tried again:[/yellow] {escape(reason_of(event))}")
        elif event.event_type is _Type.STEP_FAILURE:
            self._ended(step, entry.timestamp)
            if not (_is_gate(step) and self.failed_gates):
                self.failed_stage, self.error = step, reason_of(event)
                self._print(f"  [red]failed:[/red] {escape(self.error)}")
        elif event.event_type is _Type.ASSET_CHECK_EVALUATION:
            self._gate(event.asset_check_evaluation_data)
        elif step and (pool := _blocking_pool(event)):
            self._waits.setdefault(step, _Wait(pool))

    def _tell_waits(self) -> None:
        """Say which pool a step waits for, and who holds it; again when others hold it."""
        now = time.monotonic()
        for step, wait in self._waits.items():
            if now < wait.ask_at:
                continue
            held = self.holders(wait.pool)
            said = f"{step}: waits for pool {wait.pool}" + (f", held by {', '.join(held)}" if held else "")
            wait.ask_at = now + _ASK_SECONDS
            if said != wait.said:
                wait.said = said
                self._print(f"  [yellow]{escape(said)}[/yellow]")
                self._status.update(escape(said))

    def _gate(self, verdict: dg.AssetCheckEvaluation) -> None:
        told = {"gate": verdict.check_name, "asset": verdict.asset_key.to_user_string(),
                "message": verdict.description or "", **advice_of(verdict.metadata)}  # fmt: skip
        if verdict.passed:
            self._print(f"  [green]gate[/green] {verdict.check_name}")
        elif verdict.severity is dg.AssetCheckSeverity.WARN:
            self.warnings.append(told)
            self._print(f"  [yellow]gate {verdict.check_name} warns:[/yellow] {escape(told['message'])}")
        else:
            self.failed_gates.append(told)
            self._print(f"  [red]gate {verdict.check_name} failed:[/red] {escape(told['message'])}")

    def _line(self, step: str, text: str, important: bool) -> None:
        if _is_gate(step) or text.startswith("Dependencies for step"):
            return  # the gates' results and the failed step are shown instead
        first = text.strip().splitlines()[0] if text.strip() else ""
        if self.console.is_terminal and not important:
            line = ProgressLine.read(first)
            self._status.update(_bar(line) if line else f"{step}: {escape(first[:160])}")
        else:
            self._print(f"  {escape(first)}")

    def _ended(self, step: str, timestamp: float) -> None:
        self.seconds[step] = round(timestamp - self.started.get(step, timestamp), 1)

    def _print(self, markup: str) -> None:
        self.console.print(markup, highlight=False, soft_wrap=True)


def _bar(line: ProgressLine) -> Table:
    """Two lines: a progress bar with the time left, and below it the note."""
    head = Table.grid(padding=(0, 1))
    left = f"{duration(line.left)} left" if line.left is not None else ""
    bar = ProgressBar(total=max(line.total, 1), completed=line.done, width=_BAR_WIDTH)
    head.add_row(Text(line.what), bar, Text(f"{line.done:,}/{line.total:,}"), Text(left, style="cyan"))
    both = Table.grid()
    both.add_row(head)
    if line.note:
        both.add_row(Text(line.note, style="dim", overflow="ellipsis", no_wrap=True))
    return both


def _blocking_pool(event: dg.DagsterEvent | None) -> str | None:
    """The pool whose limit blocks a step; None for other events."""
    if event is None or event.event_type is not _Type.ENGINE_EVENT:
        return None
    pool = event.engine_event_data.metadata.get("pool")
    return str(pool.value) if pool is not None else None


def _is_gate(step: str) -> bool:
    return step.endswith("_gates")


def _is_interrupt(event: dg.DagsterEvent) -> bool:
    cause = _cause(event)
    return cause is not None and cause.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


def reason_of(event: dg.DagsterEvent) -> str:
    """The innermost cause, without Dagster's own text around it."""
    if event.is_step_failure:
        told = event.step_failure_data.user_failure_data
        if told and told.description:
            return told.description
    cause = _cause(event)
    return cause.message.strip() if cause else (event.message or "")


def _cause(event: dg.DagsterEvent) -> SerializableErrorInfo | None:
    """The innermost error of a step that failed or is up for retry; None for other events."""
    error = None
    if event.is_step_failure:
        error = event.step_failure_data.error
    elif event.event_type is _Type.STEP_UP_FOR_RETRY:
        error = event.step_retry_data.error
    while error and error.cause:
        error = error.cause
    return error

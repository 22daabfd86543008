"""From a trace to all that it has touched: rows, runs, models and their files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.tables import TABLES, Table
from distil_dag.core.task import Task
from distil_dag.runs.training_rows import in_mix

READ, JUDGED, TESTED, CALIBRATED = "read", "judged", "in its test", "calibrated on"
LEARNED, DERIVED, CONTINUES = (
    "learned from",
    "learned from rows made of it",
    "continues a model that learned from it",
)
_ROLES = {"traces": READ, "verdicts": JUDGED, "test": TESTED, "calibration": CALIBRATED}
IsWanted = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Touched:
    """What a run has of a trace.

    Attributes:
        run: Key of the run.
        rows: Table -> ids of its rows, or how many where rows have none.
        derived: Ids of synthetic rows that were made from it, or with it as an example for the teacher.
        roles: What the trace was to the model.
        files: Paths of the models below the store.
    """

    run: str
    rows: dict[str, list[str]]
    derived: list[str]
    roles: list[str]
    files: list[str]

    @property
    def learned(self) -> bool:
        """Whether weights of the run were changed by it."""
        return not {LEARNED, DERIVED, CONTINUES}.isdisjoint(self.roles)


def touched_runs(store: RunStore, is_wanted: IsWanted) -> list[Touched]:
    """The runs that have rows of a trace, and those that continue one that has learned from it.

    Args:
        store: The store of all runs.
        is_wanted: Tells a row of the trace, of any table.
    """
    found = {run: one for run in store.runs() if (one := _in_run(store, run, is_wanted))}
    for run, before in _chain(store):
        if before in found and found[before].learned:
            own = found.get(run) or Touched(run, {}, [], [], _files(store, run))
            found[run] = Touched(own.run, own.rows, own.derived, [*own.roles, CONTINUES], own.files)
    return [found[run] for run in sorted(found)]


def has_id(trace: str) -> IsWanted:
    """Tells rows of a trace by its id; the id of a record stands for all of its traces."""

    def is_same(row: Mapping[str, Any]) -> bool:
        return any(
            name in row and (str(row[name]) == trace or str(row[name]).startswith(f"{trace}#"))
            for name in ("id", "trace_id", "case_id")
        )

    return is_same


def rows_of(store: RunStore, run: str, table: Table) -> list[dict[str, Any]]:
    """The rows of a table; none where the run has not made it."""
    try:
        return store.read_rows(run, table)
    except (FileNotFoundError, ValueError):
        return []


def parents_of(row: Mapping[str, Any]) -> list[str]:
    """The ids of the cases that a row of the table `origins` was made from."""
    return list(json.loads(row["made_from"]))


def _in_run(store: RunStore, run: str, is_wanted: IsWanted) -> Touched | None:
    rows: dict[str, list[str]] = {}
    task = _task(store, run)
    # Cases of a reviewed test have ids of their own.
    foreign = {"test", "answers"} if task and task.test is not None else set[str]()
    for name, table in TABLES.items():
        if table is tables.ORIGINS or name in foreign:
            continue
        wanted = [row for row in rows_of(store, run, table) if is_wanted(row)]
        if wanted:
            rows[name] = [
                str(row.get("id") or row.get("trace_id") or row.get("case_id") or "") for row in wanted
            ]
    derived = [
        row["id"]
        for row in rows_of(store, run, tables.ORIGINS)
        if any(is_wanted({"id": parent}) for parent in parents_of(row))
    ]
    if not rows and not derived:
        return None
    roles = [role for name, role in _ROLES.items() if name in rows]
    files = _files(store, run)
    if task and files:
        mix = in_mix(task.settings.training)
        learned = any(name in rows for name in ("seeds", "context") if name in mix) or "synthetic" in rows
        roles += [LEARNED] * learned + [DERIVED] * bool(derived)
    return Touched(run, rows, derived, roles, files)


def _chain(store: RunStore) -> Iterator[tuple[str, str]]:
    """Each run that continues another one, with that one; the first of a chain first."""
    before = {run: task.continues for run in store.runs() if (task := _task(store, run)) and task.continues}

    def depth(run: str) -> int:
        seen: set[str] = set()
        while run in before and run not in seen:
            seen.add(run)
            run = before[run]
        return len(seen)

    yield from sorted(before.items(), key=lambda pair: (depth(pair[0]), pair[0]))


def _files(store: RunStore, run: str) -> list[str]:
    """Paths below the store of a run's checkpoint and GGUF files."""
    found = []
    if (store.folder(run, "checkpoint") / "model").exists():
        found.append(f"{run}/checkpoint/model")
    try:
        exported = store.read_report(run, "gguf", GgufReport).files
    except (FileNotFoundError, ValueError):
        exported = []
    return found + [f"{run}/gguf/files/{file.path}" for file in exported]


def _task(store: RunStore, run: str) -> Task | None:
    try:
        return store.read_report(run, "traces", Task, name="task")
    except (FileNotFoundError, ValueError):
        return None

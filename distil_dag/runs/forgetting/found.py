"""Which traces a request means: by their ids, or by fields of the logs' records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from distil_dag.adapters.forgetting.exchange_logs import field_of, rows_of
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.logs.survey.head import Head
from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.case import Example, Trace
from distil_dag.core.task import Task
from distil_dag.runs.lineage.touched import Touched, touched_runs
from distil_dag.runs.lineage.touched import rows_of as rows_of_run
from distil_dag.stages.forgetting.phrases import phrases_of, texts_of
from distil_dag.stages.forgetting.tombstones import Tombstones
from distil_dag.stages.reading.records import ReadRecord
from distil_dag.stages.reading.redaction.excerpts import excerpt

Where = Mapping[str, str]
"""Dotted path of a field -> the value that it has, as text."""


@dataclass
class Found:
    """What a request means.

    Attributes:
        ids: Ids of traces and exchanges.
        traces: The traces that are stored, or are in a log, each once.
        derived: Synthetic rows that were made from them.
        rejected: The same of rows that were rejected, as request and calls.
        excerpts: Beginnings of records that could not be read.
        exchanges: Number of exchanges of servers.
        logs: Where records of them still are, outside of this installation.
    """

    ids: set[str] = field(default_factory=set)
    traces: list[Trace] = field(default_factory=list)
    derived: list[Example] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    excerpts: set[str] = field(default_factory=set)
    exchanges: int = 0
    logs: list[str] = field(default_factory=list)

    def entomb(self, stones: Tombstones) -> None:
        """Add all of it to the tombstones."""
        stones.add_ids(self.ids)
        for trace in self.traces:
            stones.add_trace(trace)
        for row in self.derived:
            stones.add_row(row)
        for request, calls in self.rejected:
            stones.add_rejected(request, calls)
            stones.add_phrases(phrases_of(request))
        for beginning in self.excerpts:
            stones.add_record(beginning)
        for case in (*self.traces, *self.derived):
            for text in texts_of(case):
                stones.add_phrases(phrases_of(text))


def find(
    store: RunStore, ids: Iterable[str], where: Where, tasks: Sequence[Task], exchanges: Sequence[str]
) -> Found:
    """What a request means, in the store, in the logs of tasks, and in those of servers.

    Args:
        store: The store of all runs.
        ids: Ids of traces, of records or of exchanges.
        where: Fields that records of the logs have. All of them have to fit; empty for none.
        tasks: The tasks whose logs are read for `where`.
        exchanges: Addresses of the logs of servers.

    Raises:
        SourceError: A log can't be read.
    """
    found = Found(ids=set(ids))
    if where:
        for task in tasks:
            _in_log(found, task, where)
    for address in exchanges:
        for row in rows_of(address):
            named = where and _fits(row, where)
            if named or row.get("id") in found.ids:
                found.exchanges += 1
                found.ids.add(str(row["id"]))
    _in_store(found, store)
    return found


def touched(store: RunStore, stones: Tombstones) -> list[Touched]:
    """What runs have of everything that was forgotten, by ids."""
    return touched_runs(store, lambda row: _has_forgotten_id(row, stones))


def _has_forgotten_id(row: Mapping[str, Any], stones: Tombstones) -> bool:
    return any(name in row and stones.holds_id(str(row[name])) for name in ("id", "trace_id", "case_id"))


def _in_log(found: Found, task: Task, where: Where) -> None:
    records = 0

    def watch(record: RawRecord, identity: str, reading: ReadRecord) -> None:
        nonlocal records
        value = record.value
        if not isinstance(value, dict) or not _fits(value, where):
            return
        records += 1
        if identity:
            found.ids.add(identity)
        found.traces.extend(reading.traces)
        if reading.problem:
            found.excerpts.add(excerpt(record.raw if record.raw is not None else record.value))

    columns = tuple(dict.fromkeys(name for path in where for name in (path, path.partition(".")[0])))
    head = Head(task, 0, watch, columns)
    for _ in head.pages():
        pass
    if records:
        found.logs.append(f"{records} records of the log of {task.name}")


def _in_store(found: Found, store: RunStore) -> None:
    """Add the stored traces of these ids, those that go on from them, and what was made from all."""
    known = {trace.id for trace in found.traces}
    wanted = Tombstones()
    wanted.add_ids(found.ids)
    for trace in found.traces:
        wanted.add_trace(trace)
    # What goes on from a trace is found once that is known.
    for _ in range(2):
        for run in store.runs():
            for row in rows_of_run(store, run, tables.TRACES):
                if row["id"] in known or not (wanted.holds_id(row["id"]) or _goes_on(row, wanted)):
                    continue
                known.add(row["id"])
                found.traces.append(Trace.from_row(row))
                wanted.add_trace(found.traces[-1])
    found.ids |= known
    for one in touched(store, wanted):
        made = set(one.derived)
        if made:
            found.derived += [row for row in store.read_cases(one.run, tables.SYNTHETIC) if row.id in made]
            refused = [row for row in rows_of_run(store, one.run, tables.REJECTED) if row["id"] in made]
            found.rejected += [(row["request"], row["calls"]) for row in refused]


def _goes_on(row: Mapping[str, Any], wanted: Tombstones) -> bool:
    return bool(wanted.starts) and wanted.holds_row(Trace.from_row(dict(row)))


def _fits(row: Mapping[str, Any], where: Where) -> bool:
    for path, wanted in where.items():
        value = field_of(row, path)
        if value is None or isinstance(value, dict | list) or _as_text(value) != wanted:
            return False
    return True


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""A request carried out: tombstones first, then everything that they name is deleted wherever it lies.

Whatever is deleted is found by the tombstones alone. So a request that was ended in the middle is finished by
any later one, and nothing comes back with a log that is read again.
"""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from pathlib import Path

from upath import UPath

from distil_dag.adapters.forgetting import exchange_logs, sqlite
from distil_dag.adapters.forgetting.files import clean_file, is_numbers, is_sqlite
from distil_dag.adapters.forgetting.kept_tombstones import write_tombstones
from distil_dag.adapters.forgetting.search import places_in
from distil_dag.adapters.run_store import APART, RunStore
from distil_dag.core.reports.forgetting import AffectedRun, ForgetRecord, ForgottenMark
from distil_dag.runs.forgetting.found import Found, touched
from distil_dag.runs.forgetting.note import write_note
from distil_dag.runs.forgetting.record import record_text
from distil_dag.runs.forgetting.scope import Scope
from distil_dag.runs.lineage.touched import Touched
from distil_dag.runs.provenance import now
from distil_dag.stages.forgetting.tombstones import Tombstones

_RECORDS, _MARK = "records", "forgotten"
# Rows that a training under way, or one that is done, has in its folder of work.
_ROWS_OF_TRAINING = "rows.parquet"


def affected(store: RunStore, found: Found) -> list[AffectedRun]:
    """What a request would touch, run by run; nothing is changed."""
    stones = Tombstones()
    found.entomb(stones)
    return [_affected(one) for one in touched(store, stones)]


def begin(scope: Scope, found: Found, record: ForgetRecord) -> ForgetRecord:
    """Leave out from now on what was found, and note what it has touched.

    Args:
        scope: The installation; its tombstones grow.
        found: What the request means.
        record: Who asked, and why.

    Returns:
        The record of the request, which is not finished.
    """
    runs = affected(scope.store, found)
    found.entomb(scope.stones)
    write_tombstones(scope.store, scope.stones)
    record = record.model_copy(
        update={
            "request": uuid.uuid4().hex[:12],
            "begun": now(),
            "traces": len(found.traces),
            "derived": len(found.derived),
            "unreadable": len(found.excerpts),
            "exchanges": found.exchanges,
            "hashes": sorted(scope.stones.hash("id", one) for one in found.ids),
            "runs": runs,
            "logs": found.logs,
        }
    )
    write_record(scope.store, record)
    return record


def finish(scope: Scope, record: ForgetRecord, delete_models: bool = False) -> ForgetRecord:
    """Delete everything that the tombstones name, mark the runs, and close the record.

    Args:
        scope: The installation.
        record: A record of :func:`begin`; also one whose request was ended in the middle.
        delete_models: Delete the files of models that have learned from a forgotten trace.

    Raises:
        RuntimeError: A file or database can't be read or written. Mend it, then ask again.
    """
    removed = Counter(record.removed) + clean(scope)
    gone = _delete_models(scope.store, record) if delete_models else []
    record = record.model_copy(
        update={
            "finished": now(),
            "removed": {place: count for place, count in sorted(removed.items()) if count},
            "models_deleted": sorted({*record.models_deleted, *gone}),
        }
    )
    _mark(scope.store, record)
    write_record(scope.store, record)
    return record


def clean(scope: Scope) -> Counter[str]:
    """Delete everything that the tombstones name.

    Returns:
        Place -> rows, lines or texts that went there.

    Raises:
        RuntimeError: A file or database can't be read or written.
    """
    removed: Counter[str] = Counter()
    for path, stones in list(scope.files()):
        if count := _clean(path, stones):
            removed[_place(scope, path)] += count
    for address in scope.exchanges:
        removed["logs of servers"] += exchange_logs.clean_log(address, scope.searched)
    return removed


def verify(scope: Scope) -> list[str]:
    """Where anything that was ever forgotten still is; empty if it is nowhere.

    Raises:
        RuntimeError: A file or database can't be read, so nothing is proved.
    """
    found = [place for path, stones in scope.files() for place in places_in(path, stones)]
    for address in scope.exchanges:
        found += exchange_logs.places_in_log(address, scope.searched)
    return found


def records(store: RunStore) -> list[ForgetRecord]:
    """The records of all requests, the oldest first.

    Raises:
        ValueError: One of them is broken.
    """
    folder = store.folder(APART, _RECORDS)
    names = [path.name.removesuffix(".json") for path in folder.glob("*.json")] if folder.exists() else []
    found = [store.read_report(APART, _RECORDS, ForgetRecord, name=name) for name in names]
    return sorted(found, key=lambda record: record.begun)


def write_record(store: RunStore, record: ForgetRecord) -> UPath:
    """Write a record as JSON, and as text for a person.

    Returns:
        The path of the text.
    """
    store.write_report(APART, _RECORDS, record, name=record.request)
    return store.write_bytes(APART, _RECORDS, f"{record.request}.md", record_text(record).encode())


def mark_of(store: RunStore, run: str) -> ForgottenMark | None:
    """What was forgotten of a run; None where nothing was."""
    try:
        return store.read_report(run, _MARK, ForgottenMark)
    except (FileNotFoundError, ValueError):
        return None


def _clean(path: UPath | Path, stones: Tombstones) -> int:
    if is_numbers(path):
        return 0
    if is_sqlite(path):
        return sqlite.clean(Path(str(path)), stones)
    if path.name == _ROWS_OF_TRAINING and places_in(path, stones):
        shutil.rmtree(Path(str(path)).parent)  # of a training that must not be taken up again
        return 1
    return clean_file(path, stones) if path.exists() else 0


def _place(scope: Scope, path: UPath | Path) -> str:
    if str(path).startswith(f"{scope.dagster}/"):
        return "Dagster's events and logs"
    return scope.shown(path)


def _affected(one: Touched) -> AffectedRun:
    task = one.run.partition(".")[0]
    if one.learned:
        advice = f"train again by `distil-dag run {task}` under a new key, then delete the models named here"
    elif one.files:
        advice = "its weights have not learned from it; no training is needed"
    else:
        advice = "it has no model"
    rows = {table: len(ids) for table, ids in one.rows.items()}
    if one.derived:
        rows["synthetic or rejected"] = len(one.derived)
    return AffectedRun(
        run=one.run, rows=rows, roles=one.roles, files=one.files, retrain=one.learned, advice=advice
    )


def _mark(store: RunStore, record: ForgetRecord) -> None:
    for run in record.runs:
        if store.has(run.run):
            before = mark_of(store, run.run) or ForgottenMark()
            after = ForgottenMark(requests={**before.requests, record.request: run})
            store.write_report(run.run, _MARK, after)
            if run.retrain:
                write_note(store, run, record.request)


def _delete_models(store: RunStore, record: ForgetRecord) -> list[str]:
    gone = []
    for file in (file for run in record.runs if run.retrain for file in run.files):
        path = store.root / file
        if path.is_dir():
            for inner in [inner for inner in path.rglob("*") if inner.is_file()]:
                inner.unlink()
            gone.append(file)
        elif path.exists():
            path.unlink()
            gone.append(file)
    return gone

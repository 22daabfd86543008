"""The production log of a task as a dlt source, and what a sensor asks of it.

The source has one resource, `traces`, whose pages land in two tables, `traces` and `quarantine`. Each load
replaces both. The window of a run comes from its key alone, so a repeated run reads the same rows. Nothing is
kept in dlt's incremental state.
"""

from __future__ import annotations

import gc
import itertools
import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from distil_dag.adapters.logs.apis.log import ApiLog
from distil_dag.adapters.logs.files import FileLog
from distil_dag.adapters.logs.hub import HubLog
from distil_dag.adapters.logs.intake import SCHEMAS, TRACES, Intake
from distil_dag.adapters.logs.records.outcomes import Outcome, is_wanted
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.logs.records.readers import OBJECTS_BEFORE_GC, read_by_others, spare_cores
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.environment import SourceError, masked
from distil_dag.core.api_sources import ApiSource
from distil_dag.core.case import Trace
from distil_dag.core.run_key import RunKey
from distil_dag.core.sources import FileSource, SqlSource, has_times
from distil_dag.core.task import Task
from distil_dag.stages.forgetting.tombstones import Tombstones
from distil_dag.stages.reading.fields import FIELDS
from distil_dag.stages.reading.strict_values import time_or_none

# dlt sends usage data to its makers unless it is turned off.
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")

if TYPE_CHECKING:
    # SQLAlchemy is loaded for a database alone.
    from distil_dag.adapters.logs.sql import SqlLog

    Log = SqlLog | FileLog | HubLog | ApiLog
# Stands behind the last page of a log.
_END = object()
# dlt spends a millisecond on each table that it is given.
_ROWS_AT_ONCE = 5000
# Pages that are read before other processes are worth their start.
_SHORT_LOG = 100


def log_source(intake: Intake | None = None, log: Log | None = None, key: RunKey | None = None) -> Any:
    """The dlt source of one run; without arguments, one that reads nothing and only describes itself.

    Args:
        intake: Turns records into rows.
        log: The log to read.
        key: The run's key, which sets the window.
    """
    import dlt

    gathered: dict[str, list[Any]] = {}
    waiting: deque[tuple[str, Any]] = deque()

    def empty_tables() -> Iterator[Any]:
        # A table without rows is written too, and replaces the table of the last load.
        for table, schema in SCHEMAS.items():
            yield dlt.mark.with_table_name(pa.Table.from_batches([], schema), table)

    def traces(page: Any) -> Iterator[Any]:
        # dlt runs generators in turns. A page is read at once, since the first of two equal ids must
        # win. Whichever generator is run next yields the rows that have waited longest.
        if intake is not None and log is not None:
            for table, rows in _tables(intake, log, page).items():
                gathered.setdefault(table, []).append(rows)
            if page is _END or sum(map(len, gathered.get(TRACES, ()))) >= _ROWS_AT_ONCE:
                waiting.extend((table, pa.concat_tables(parts)) for table, parts in gathered.items())
                gathered.clear()
        return landing()

    def landing() -> Iterator[Any]:
        while waiting:
            table, rows = waiting.popleft()
            yield dlt.mark.with_table_name(rows, table)

    def production_log() -> Any:
        reading = dlt.transformer(traces, name=TRACES, write_disposition="replace")
        if log is None or key is None:
            return dlt.resource([], name="log") | reading
        # Files are looked for at once, so that an error is none of a pipeline.
        pages = log.pages(key) if intake is None else _read_ahead(intake, log, log.pages(key))
        upstream = dlt.resource(itertools.chain(pages, (_END,)), name="log")
        empty = dlt.resource(empty_tables, name="empty_tables", write_disposition="replace")
        return empty, upstream | reading

    return dlt.source(production_log, name="production_log", max_table_nesting=0)()


def _read_ahead(intake: Intake, log: Log, pages: Iterator[Any]) -> Iterator[Any]:
    """The first pages of a log, then what the others give, read by other processes where cores are free."""
    yield from itertools.islice(pages, _SHORT_LOG)
    count = spare_cores()
    if not count:
        yield from pages
        return
    # Lines of files are parsed there too.
    portable = pages if isinstance(log, FileLog) else (list(log.records(page)) for page in pages)
    first = next(portable, None)
    if first is not None:
        yield from read_by_others(itertools.chain((first,), portable), intake.task, intake.key, count)


def _tables(intake: Intake, log: Log, page: Any) -> dict[str, pa.Table]:
    if page is _END:
        return intake.rest()
    return intake.add(page) if page and isinstance(page[0], Outcome) else intake.read(log.records(page))


@contextmanager
def log_pipeline(store: RunStore, run: str) -> Iterator[Any]:
    """The dlt pipeline that writes `<root>/<run>/traces/<table>/*.parquet`.

    Its working folder is temporary and its own, so runs at the same time do not interfere.

    Args:
        store: The store of all runs.
        run: Key of the run.

    Yields:
        The pipeline, for the length of a `with` block.
    """
    import dlt

    root = store.folder(run, TRACES).parent
    with tempfile.TemporaryDirectory(prefix="distil_dag-dlt-") as folder, _imports_passed_over():
        yield dlt.pipeline(
            "traces",
            destination=dlt.destinations.filesystem(
                bucket_url=str(root.absolute() if store.is_local else root)
            ),
            dataset_name=TRACES,
            pipelines_dir=folder,
        )


@contextmanager
def _imports_passed_over() -> Iterator[None]:
    """Let Python's search for cycles pass over what is loaded by now, and start seldom.

    It starts whenever many rows were made, which hold none, and hundreds of thousands of objects of libraries
    would be looked through again and again.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(OBJECTS_BEFORE_GC)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def open_log(task: Task, also: Iterable[str] = ()) -> Log:
    """The log that the task names.

    Args:
        task: Its settings say where the log is.
        also: Columns of a table to read besides those that a run needs.

    Raises:
        SourceError: A setting does not fit the log.
    """
    source = task.settings.traces
    unknown = sorted(source.columns.keys() - set(FIELDS))
    if unknown:
        raise SourceError(f"traces.columns: {', '.join(unknown)} is none of our fields: {', '.join(FIELDS)}")
    if isinstance(source, SqlSource):
        from distil_dag.adapters.logs.sql import SqlLog

        return SqlLog(source, also)
    if isinstance(source, FileSource):
        return FileLog(source, task.folder, also)
    if isinstance(source, ApiSource):
        return ApiLog(source)
    return HubLog(source, task.folder, also)


def read_traces(task: Task, key: RunKey, stones: Tombstones | None = None) -> tuple[list[Trace], Task]:
    """The traces that a run of this key would read at this time, and the task with their context.

    Args:
        task: Names the log and the tools.
        key: The run's key.
        stones: What was forgotten.

    Raises:
        SourceError: The log can't be read.
    """
    log, intake = open_log(task), Intake(task, key, stones=stones)
    pages = map(intake.read, _pages(log, key))
    tables = itertools.chain(pages, (intake.rest() for _ in (0,)))
    traces = [Trace.from_row(row) for page in tables if TRACES in page for row in page[TRACES].to_pylist()]
    return traces, task.model_copy(update={"context": intake.context})


def count_between(task: Task, since: datetime, until: datetime, enough: int | None = None) -> int:
    """Number of records that were logged in a window.

    Args:
        task: Names the log and its time column.
        since: Start of the window, inclusive.
        until: End of the window, exclusive.
        enough: Where counting may end, before all of the log is read.

    Raises:
        SourceError: The log can't be read or has no times.
    """
    log = open_log(task)
    if not isinstance(log, (FileLog, HubLog, ApiLog)):
        return log.count_between(since, until)
    window = RunKey(task.name, since, until)
    source = task.settings.traces
    if source.time_column is None and has_times(source):
        intake = Intake(task, window)
        for page in _pages(log, window):
            intake.read(page)
            if enough is not None and intake.kept >= enough:
                return intake.kept
        intake.rest()
        return intake.kept
    inside = (time for time in _times(task, log, window) if since <= time < until)
    return sum(1 for _ in itertools.islice(inside, enough))


def source_error(error: BaseException) -> SourceError | None:
    """The SourceError behind an exception that dlt has wrapped, if there is one."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, SourceError):
        found = found.__cause__ or found.__context__
    return found


def without_secrets(task: Task) -> Task:
    """The task as it may be stored: passwords in the log's URL or path are masked."""
    source = task.settings.traces
    if isinstance(source, SqlSource):
        source = source.model_copy(update={"url": masked(source.url)})
    elif isinstance(source, FileSource):
        source = source.model_copy(update={"path": masked(source.path)})
    elif isinstance(source, ApiSource) and source.url:
        # What else would hold a secret may only name a variable.
        source = source.model_copy(update={"url": masked(source.url)})
    return task.model_copy(update={"settings": task.settings.model_copy(update={"traces": source})})


def _pages(log: Log, key: RunKey) -> Iterator[Iterable[RawRecord]]:
    pages: Iterator[Any] = log.pages(key)
    return (log.records(page) for page in pages)


def _times(task: Task, log: FileLog | HubLog | ApiLog, window: RunKey) -> Iterator[datetime]:
    source = task.settings.traces
    if source.time_column is None:
        raise SourceError("traces.time_column is not set: what is new in the log can't be told")
    for page in _pages(log, window):
        for record in page:
            value = record.value
            if isinstance(value, dict) and is_wanted(value, source.where):
                time = time_or_none(value.get(source.time_column))
                if time is not None:
                    yield time

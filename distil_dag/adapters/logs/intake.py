"""Raw records of any source -> rows of two tables: traces, and records that could not be read.

Memory stays bounded: rows leave page by page, and the ids that have been read are kept on disk.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple

import pyarrow as pa

from distil_dag.adapters.logs.joining import Joining
from distil_dag.adapters.logs.seen_ids import SeenIds
from distil_dag.core.case import Trace
from distil_dag.core.context import ContextRule, system_text
from distil_dag.core.reports.intake import ContextReport, TracesReport
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Task
from distil_dag.core.tool_call import NO_CALL, UNKNOWN_TOOL
from distil_dag.stages.reading.envelopes import spans_in
from distil_dag.stages.reading.fields import FIELDS, MARKS, is_recorded
from distil_dag.stages.reading.recorders.joined import around_of, identity_of
from distil_dag.stages.reading.recorders.outcome import AROUND, COPY, PART
from distil_dag.stages.reading.records import ReadRecord, RecordReader
from distil_dag.stages.reading.redaction.addresses import is_personal
from distil_dag.stages.reading.redaction.excerpts import excerpt
from distil_dag.stages.reading.strict_values import Unreadable, clean_text, read_time
from distil_dag.stages.student.context_report import context_report
from distil_dag.stages.student.context_split import ContextSplit, SystemPrompts, split_of

TRACES, QUARANTINE = "traces", "quarantine"
_TYPES = {
    "latency_ms": pa.float64(),
    "input_tokens": pa.int64(),
    "output_tokens": pa.int64(),
    "cost": pa.float64(),
}
SCHEMAS = {
    TRACES: pa.schema([(name, _TYPES.get(name, pa.string())) for name in Trace(id="", messages=()).row()]),
    QUARANTINE: pa.schema(
        [(name, pa.string()) for name in ("source", "position", "reason", "detail", "excerpt")]
    ),
}

_IN_ORDER = sorted(SCHEMAS[TRACES].names)
_PREVIEW = 10
_MAX_ID = 200
_MOST_AROUND = 20_000


class RawRecord(NamedTuple):
    """One record as a source found it.

    Attributes:
        source: File, table or dataset.
        position: Line, row or id in the source.
        value: The record as an object; None where it can't be read.
        raw: Its original bytes, where the source has them.
        problem: Why it has no `value`.
        columnar: Whether it comes from typed columns, where an absent value shows as null.
    """

    source: str
    position: str
    value: Any
    raw: Any = None
    problem: Unreadable | None = None
    columnar: bool = False


Watch = Callable[[RawRecord, str, ReadRecord], None]
"""Is told of each record: what it is with its parts, its id, and what it gave."""


class Intake:
    """Turns the records of one run into pages of tables, and counts what becomes of them.

    Args:
        task: Names the columns, the filter and the tools.
        key: The run's key, which sets the window of times.
        watch: Is told of each record of the window.

    Attributes:
        preview: The first ten trace rows.

    Raises:
        ValueError: `key` asks for a window of a log without times.
    """

    def __init__(self, task: Task, key: RunKey, watch: Watch | None = None) -> None:
        self._watch = watch
        self._source = task.settings.traces
        # A database has filtered already, and has not sent the columns.
        self._where = {} if self._source.kind == "sql" else self._source.where
        self._key = key.cut_by(self._source.time_column)
        self._toolset = task.toolset
        self._continued = task.context if task.continues else None
        self._wanted = task.settings.student.context
        self._prompts = SystemPrompts()
        self._reader = RecordReader(self._toolset, self._source.format)
        self._is_auto = self._source.format == "auto"
        self._joining = Joining()
        self._around: OrderedDict[str, None] = OrderedDict()
        self._seen = SeenIds()
        self._rows = _no_rows()
        self._digest = hashlib.sha256()
        self._quarantined: Counter[str] = Counter()
        self._redacted: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._no_answers: Counter[str] = Counter()
        self._read = self._kept = self._marked = self._passed_over = self._by_order = 0
        self.preview: list[dict[str, Any]] = []

    @property
    def digest(self) -> str:
        """Content hash of all trace rows so far, equal to `run_store.digest` of the table."""
        return "sha256:" + self._digest.hexdigest()

    @cached_property
    def context(self) -> ContextRule:
        """What the student reads of system prompts, by all records; that of a continued run stays."""
        return self._split.rule(self._wanted) if self._continued is None else self._continued

    @cached_property
    def _split(self) -> ContextSplit:
        return split_of(self._prompts, self._toolset)

    @cached_property
    def _context_report(self) -> ContextReport | None:
        if not self._prompts.requests:
            return None
        return context_report(self._prompts, self._split, self.context, self._toolset)

    def report(self) -> TracesReport:
        """What became of the records so far."""
        return TracesReport(
            read=self._read,
            kept=self._kept,
            marked=self._marked,
            passed_over=self._passed_over,
            no_answers=dict(self._no_answers.most_common()),
            quarantined=dict(self._quarantined.most_common()),
            redacted=dict(sorted(self._redacted.items())),
            results_by_order=self._by_order,
            calls_per_tool=dict(self._calls.most_common()),
            context=self._context_report,
        )

    def read(self, page: Iterable[RawRecord]) -> dict[str, pa.Table]:
        """Read a page of records; parts of a record wait for the rest of it.

        Returns:
            Table name -> the rows that the page adds to it, in order; no entry for a table without new rows.
        """
        for record in page:
            value = record.value
            if record.raw is not None and (not isinstance(value, dict) or MARKS.isdisjoint(value)):
                self._take(record)  # as most are
                continue
            for whole in self._whole(record):
                self._take(whole)
        return self._new_rows()

    def rest(self) -> dict[str, pa.Table]:
        """Read what still waits at the end of the log; as :meth:`read`."""
        for record in self._joining.rest():
            self._take(record)
        return self._new_rows()

    def _new_rows(self) -> dict[str, pa.Table]:
        rows, self._rows = self._rows, _no_rows()
        return {name: pa.Table.from_pylist(new, schema=SCHEMAS[name]) for name, new in rows.items() if new}

    def _whole(self, record: RawRecord) -> Iterator[RawRecord]:
        """The records that a raw one holds or completes; most are what they are."""
        value = record.value
        if not self._is_auto or not isinstance(value, dict):
            yield record
            return
        spans = spans_in(value) if record.raw is None else None
        if spans is not None:
            for number, span in enumerate(spans, start=1):
                yield from self._whole(
                    record._replace(value=span, raw=b"", position=f"{record.position}, {number}")
                )
        elif MARKS.isdisjoint(value):
            yield record
        else:
            joined = self._joining.joined
            yield from self._joining.push(record)
            if self._joining.joined > joined:
                self._no_answers[PART] += 1

    def _take(self, record: RawRecord) -> None:
        try:
            if record.problem:
                raise record.problem
            if not isinstance(record.value, dict):
                raise Unreadable("wrong type", f"a record is {type(record.value).__name__}, not an object")
            if is_wanted(record.value, self._where):
                self._read_record(record)
        except Unreadable as problem:
            self._read += 1
            self._reject(record, problem)
            if self._watch:
                self._watch(record, "", ReadRecord(problem=problem))

    def _read_record(self, record: RawRecord) -> None:
        value = record.value
        column = self._source.time_column
        time = read_time(value.get(column)) if column else None
        if column and time is None and self._key.since:
            raise Unreadable("no time", f"{column} is empty, so no window holds the record")
        if not self._key.contains(time):
            return
        identity, is_own = self._identity(record)
        if identity in self._around:
            return self._pass_over(record, identity, AROUND)
        reading = self._reader.read(self._renamed(value), identity, time, columnar=record.columnar)
        if reading.is_no_answer:
            return self._pass_over(record, identity, reading.is_no_answer)
        if is_own and not self._is_new(identity, reading):
            if not reading.is_recorded:
                raise Unreadable("duplicate id", f"{identity} has been read before; the first one stays")
            return self._pass_over(record, identity, COPY)
        has_traces = bool(reading.plain or reading.complete)
        if reading.is_recorded and has_traces:
            self._surround(around_of(value))
        self._read += 1
        self._passed_over += not has_traces and not reading.problem
        if has_traces:
            if reading.redacted:
                self._redacted.update(reading.redacted)
            self._by_order += reading.by_order
        if plain := reading.plain:
            self._keep(plain.row(), plain.called, plain.system, plain.trace)
        for trace in reading.complete:
            called = [call.name for call in trace.calls]
            self._keep(trace.row(), called, system_text(trace.messages), lambda trace=trace: trace)
        if reading.problem:
            self._reject(record, reading.problem)
        if self._watch:
            self._watch(record, identity, reading)

    def _pass_over(self, record: RawRecord, identity: str, kind: str) -> None:
        self._no_answers[kind] += 1
        if self._watch:
            self._watch(record, identity, ReadRecord(is_no_answer=kind))

    def _is_new(self, identity: str, reading: ReadRecord) -> bool:
        """Whether a reading was not given before; what could not be read may follow what could."""
        if reading.plain:
            return self._seen.add([identity])
        if reading.complete:
            return self._seen.add([identity, *(trace.id for trace in reading.complete)])
        return not (reading.is_recorded and reading.problem and self._seen.has(identity))

    def _surround(self, identity: str) -> None:
        """Remember what stands around an answer: it repeats the answer, and is written after it."""
        if identity:
            self._around[identity] = None
            if len(self._around) > _MOST_AROUND:
                self._around.popitem(last=False)

    def _renamed(self, value: dict[str, Any]) -> dict[str, Any]:
        theirs = self._source.columns
        if not theirs:
            return value
        kept = {name: held for name, held in value.items() if is_recorded(name)}
        return kept | {name: value.get(theirs.get(name, name)) for name in FIELDS}

    def _identity(self, record: RawRecord) -> tuple[str, bool]:
        """The id of a record (of `id_column`, else `id`), and whether the record has one itself.

        A record without an id gets one from its content and place, which is unique and stable.
        """
        value = record.value
        own = value.get(self._source.id_column or "id")
        if self._is_auto and self._source.id_column is None and not MARKS.isdisjoint(value):
            own = identity_of(value)
        if own is None or own == "":
            content = record.raw if isinstance(record.raw, bytes) else _canonical(record.value)
            place = f"{record.source}\n{record.position}\n".encode(errors="surrogatepass")
            return hashlib.sha256(place + content).hexdigest()[:16], False
        if isinstance(own, float) and own.is_integer():
            own = int(own)
        if isinstance(own, (dict, list, bool, bytes)) or len(text := str(own)) > _MAX_ID:
            raise Unreadable("unreadable id", f"neither text up to {_MAX_ID} characters nor a whole number")
        clean_text(text, "the id")
        # A digest identifies rows as well as an e-mail address does.
        return (hashlib.sha256(text.encode()).hexdigest()[:16] if is_personal(text) else text), True

    def _keep(self, row: dict[str, Any], called: list[str], system: str, case: Callable[[], Trace]) -> None:
        self._digest.update(_in_digest(row))
        self._rows[TRACES].append(row)
        self._kept += 1
        self._marked += row["problems"] != "[]"
        self._prompts.add_text(system, case)
        # The log may name any number of tools; only those of the task are counted separately.
        names = [name if name in self._toolset else UNKNOWN_TOOL for name in called]
        for name in names or (NO_CALL,):
            self._calls[name] += 1
        if len(self.preview) < _PREVIEW:
            self.preview.append(row)

    def _reject(self, record: RawRecord, problem: Unreadable) -> None:
        self._quarantined[problem.reason] += 1
        raw = record.raw if record.raw is not None else record.value
        self._rows[QUARANTINE].append(
            {
                "source": excerpt(record.source),
                "position": excerpt(record.position),
                "reason": problem.reason,
                "detail": excerpt(problem.detail),
                "excerpt": excerpt(raw),
            }
        )


def is_wanted(value: Mapping[str, Any], where: Mapping[str, str]) -> bool:
    """Whether a record passes the filter of `traces.where`.

    Args:
        value: The record.
        where: Column -> wanted value, compared as text.
    """
    return all(_as_text(value.get(column)) == wanted for column, wanted in where.items())


def _in_digest(row: dict[str, Any]) -> bytes:
    """A row as `run_store.digest` reads it: JSON with its keys in order."""
    members = []
    for name in _IN_ORDER:
        value = row[name]
        said = quoted(value) if type(value) is str else "null" if value is None else json.dumps(value)
        members.append(f'"{name}": {said}')
    return f"{{{', '.join(members)}}}\n".encode()


def _no_rows() -> dict[str, list[dict[str, Any]]]:
    return {TRACES: [], QUARANTINE: []}


def _canonical(value: Any) -> bytes:
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        text = repr(sorted(map(str, value)))
    return text.encode(errors="surrogatepass")


def _as_text(value: Any) -> str | None:
    return (
        ("true" if value else "false") if isinstance(value, bool) else None if value is None else str(value)
    )

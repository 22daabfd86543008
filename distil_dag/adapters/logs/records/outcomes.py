"""What each record of a log gives by itself, whatever stands before it and behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from distil_dag.adapters.logs.records.raw import Line, RawRecord, records_of
from distil_dag.adapters.logs.records.trace_rows import COLUMNS
from distil_dag.adapters.logs.seen_ids import key_of
from distil_dag.core.context import system_text
from distil_dag.core.run_key import RunKey
from distil_dag.core.sources import has_times
from distil_dag.core.task import Task
from distil_dag.stages.reading.discovery.defined import NOTHING, Defined, DefinedTools
from distil_dag.stages.reading.envelopes import spans_in
from distil_dag.stages.reading.fields import FIELDS, MARKS, is_recorded
from distil_dag.stages.reading.recorders.joined import around_of, identity_of
from distil_dag.stages.reading.recorders.joined import key_of as part_of
from distil_dag.stages.reading.recorders.outcome import NoAnswer
from distil_dag.stages.reading.recorders.own_times import own_time
from distil_dag.stages.reading.records import ReadRecord, RecordReader
from distil_dag.stages.reading.redaction.addresses import is_personal
from distil_dag.stages.reading.redaction.excerpts import SOURCE_OF_EXCERPT
from distil_dag.stages.reading.strict_values import Unreadable, bare, clean_text, read_time

_MAX_ID = 200


class Kept(NamedTuple):
    """A trace as the values of its row, the tools that it calls, and the words of its system turns."""

    row: tuple[Any, ...]
    called: list[str]
    system: str


class Outcome(NamedTuple):
    """What one record gave.

    Attributes:
        record: The record.
        identity: Its id; empty where it could not be read at all.
        is_own: Whether the record has the id itself.
        reading: What it says.
        kept: Its traces.
        keys: What stands for the ids of the record and of its traces, where it has any.
        around: The id of what stands around its answer.
        is_part: Whether it is part of another record, and waits for the rest; nothing else is told then.
        defined: The tools that it defines.
    """

    record: RawRecord
    identity: str = ""
    is_own: bool = False
    reading: ReadRecord = ReadRecord()
    kept: tuple[Kept, ...] = ()
    keys: tuple[bytes, ...] = ()
    around: str = ""
    is_part: bool = False
    defined: Defined = NOTHING

    @property
    def time(self) -> datetime | None:
        """When its first trace was logged."""
        said = self.kept[0].row[_TIME] if self.kept else None
        return datetime.fromisoformat(said) if said else None

    def brief(self) -> Brief:
        """The outcome for another process, without what only a watcher reads of it."""
        if self.is_part:
            return self._replace(record=self.record._replace(raw=None))
        (source, position, value, raw, *_), identity, is_own, reading, kept, keys, around, _, defined = self
        if raw is not None:
            value, raw = None, raw[:SOURCE_OF_EXCERPT]
        said = None
        if reading.plain is None or reading.is_recorded or reading.redacted:
            said = reading._replace(plain=None, complete=())
        rows = tuple(map(tuple, kept))
        return source, position, value, raw, identity, is_own, said, rows, keys, around, defined

    @classmethod
    def of(cls, brief: Brief) -> Outcome:
        """The outcome that another process has given."""
        if isinstance(brief, Outcome):
            return brief
        source, position, value, raw, identity, is_own, said, rows, keys, around, defined = brief
        record, kept = RawRecord(source, position, value, raw), tuple(map(Kept._make, rows))
        return cls(record, identity, is_own, said or _PLAIN, kept, keys, around, False, defined)


# Plain tuples take a third of the time to be pickled and read.
Brief = Outcome | tuple[Any, ...]
_PLAIN = ReadRecord()
_TIME = COLUMNS.index("time")


class Outcomes:
    """Reads records of one run, one by one."""

    def __init__(self, task: Task, key: RunKey) -> None:
        """Settle what is read.

        Args:
            task: Names the columns, the filter and the tools.
            key: The run's key, which sets the window of times.

        Raises:
            ValueError: `key` asks for a window of a log without times.
        """
        self._source = task.settings.traces
        # A database has filtered already, and has not sent the columns.
        self._where = {} if self._source.kind == "sql" else self._source.where
        self._key = key.cut_by(has_times(self._source))
        self._reader = RecordReader(task.toolset, self._source.format)
        self._is_auto = self._source.format == "auto"
        self._tools = DefinedTools()
        self._id_column = self._source.id_column or "id"
        self._is_any_id = self._is_auto and self._source.id_column is None

    def of_page(self, page: Iterable[RawRecord | Line]) -> list[Outcome]:
        """What the records of a page give, in order; nothing for those that the run leaves out."""
        outcomes: list[Outcome] = []
        for record in records_of(page):
            value = record.value
            if record.raw is not None and (not isinstance(value, dict) or MARKS.isdisjoint(value)):
                outcomes += self.of_record(record)  # as most are
            else:
                for one in self._spans(record):
                    outcomes += [Outcome(one, is_part=True)] if self._is_part(one) else self.of_record(one)
        return outcomes

    def of_record(self, record: RawRecord) -> tuple[Outcome, ...]:
        """What a whole record gives; nothing where the run leaves it out."""
        try:
            if record.problem:
                raise record.problem
            if not isinstance(record.value, dict):
                raise Unreadable("wrong type", f"a record is {type(record.value).__name__}, not an object")
            if self._where and not is_wanted(record.value, self._where):
                return ()
            return self._read(record)
        except NoAnswer as other:
            return (Outcome(record, reading=ReadRecord(is_no_answer=other.kind)),)
        except Unreadable as problem:
            return (Outcome(record, reading=ReadRecord(problem=bare(problem))),)

    def _read(self, record: RawRecord) -> tuple[Outcome, ...]:
        value = record.value
        column = self._source.time_column
        time = read_time(value.get(column)) if column else None
        if column and time is None and self._key.since:
            raise Unreadable("no time", f"{column} is empty, so no window holds the record")
        if not self._key.contains(time):
            return ()
        identity, is_own = self._identity(record)
        reading = self._reader.read(self._renamed(value), identity, time, columnar=record.columnar)
        if column is None and self._key.since:
            time = reading.traces[0].time if reading.traces else own_time(value)
            if not self._key.contains(time):
                return ()
        if plain := reading.plain:
            kept: tuple[Kept, ...] = (Kept(plain.values(), plain.called, plain.system),)
            keys: tuple[bytes, ...] = (key_of(identity),)
        else:
            kept = tuple(
                Kept(
                    tuple(trace.row().values()),
                    [call.name for call in trace.calls],
                    system_text(trace.messages),
                )
                for trace in reading.complete
            )
            ids = {identity, *(trace.id for trace in reading.complete)} if kept else ()
            keys = tuple(map(key_of, ids))
        around = around_of(value) if kept and reading.is_recorded else ""
        defined = self._tools.of(value, record.raw)
        return (Outcome(record, identity, is_own, reading, kept, keys, around, defined=defined),)

    def _spans(self, record: RawRecord) -> Iterator[RawRecord]:
        """The records that a row of a table holds; those of a line were taken apart as it was parsed."""
        value = record.value
        if not self._is_auto or record.raw is not None or not isinstance(value, dict):
            yield record
            return
        spans = spans_in(value)
        if spans is None:
            yield record
            return
        for number, span in enumerate(spans, start=1):
            yield record._replace(value=span, raw=b"", position=f"{record.position}, {number}")

    def _is_part(self, record: RawRecord) -> bool:
        value = record.value
        if not self._is_auto or not isinstance(value, dict) or MARKS.isdisjoint(value):
            return False
        try:
            return bool(part_of(value))
        except Unreadable:
            return False

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
        own = value.get(self._id_column)
        if self._is_any_id and not MARKS.isdisjoint(value):
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


def is_wanted(value: Mapping[str, Any], where: Mapping[str, str]) -> bool:
    """Whether a record passes the filter of `traces.where`.

    Args:
        value: The record.
        where: Column -> wanted value, compared as text.
    """
    return all(_as_text(value.get(column)) == wanted for column, wanted in where.items())


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

"""Records of calls in the entries of a log aggregator, behind what loggers and shippers put around them."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.core.api_sources import AggregatorSource, RestSource
from distil_dag.stages.reading.fields import CONTENT, MARKS
from distil_dag.stages.reading.recorders.outcome import LINE, NoAnswer
from distil_dag.stages.reading.records_in import is_conversation, records_in
from distil_dag.stages.reading.strict_values import Unreadable, parse_json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Where loggers and shippers put what a program has written.
_TEXTS = ("message", "log", "msg", "body", "Body", "line", "event", "MESSAGE", "@message", "original", "raw")
_OBJECTS = (
    *_TEXTS, "data", "payload", "record", "fields", "json", "jsonPayload", "log_processed", "extra",
    "context", "attributes",
)  # fmt: skip
# Loggers add these to lines of any kind.
_CORRELATION = frozenset({"traceId", "traceID", "trace_id"})
_MOST_LEVELS = 4
_REMEMBERED = 50_000


class Lines:
    """Turns the entries of one aggregator into records.

    Args:
        source: Names the field that holds a record, and the one that holds its time.
    """

    def __init__(self, source: AggregatorSource | RestSource) -> None:
        self._source = source
        theirs = source.columns
        self._content = frozenset(theirs.get(name, name) for name in CONTENT)
        self._marks = MARKS - _CORRELATION
        self._seen: OrderedDict[str, None] = OrderedDict()

    def records(
        self,
        entry: Any,
        name: str,
        time: Any,
        *,
        key: str = "",
        inside: Sequence[Any] = (),
        columnar: bool = False,
    ) -> Iterator[RawRecord]:
        """The records of an entry; one that was given before is passed over.

        Args:
            entry: Text, or an object.
            name: Tells the entry from all others.
            time: When it was logged, by the service.
            key: Its id, if not its name.
            inside: Parts of the entry to look in, if not all of it.
            columnar: Whether it comes from typed columns.
        """
        if name in self._seen:
            return
        self._seen[name] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        kind = self._source.kind
        try:
            found = self._found(entry, inside or (entry,))
        except Unreadable as problem:
            yield RawRecord(kind, name, None, _text(entry), problem)
            return
        if found is None:
            yield RawRecord(kind, name, None, _text(entry), NoAnswer(LINE))
            return
        for value in records_in(found):
            if isinstance(value, dict):
                value = self._named(value, key or name, time)
            yield RawRecord(kind, name, value, columnar=columnar and found is entry)

    def of_object(self, entry: Any) -> Iterator[RawRecord]:
        """As :meth:`records`, of an object that holds its id and its time where the settings say."""
        name = hashlib.sha256(json.dumps(entry, sort_keys=True, default=str).encode()).hexdigest()[:24]
        held = entry if isinstance(entry, Mapping) else {}
        own = held.get(self._source.id_column or "id")
        time = held.get(self._source.time_column or "")
        return self.records(entry, name, time, key="" if own is None else str(own))

    def _named(self, value: dict[str, Any], key: str, time: Any) -> dict[str, Any]:
        """A record with what the aggregator knows of it."""
        named = dict(value)
        if self._source.time_column:
            # A window is cut by the clock that the service cuts by.
            named[self._source.time_column] = time
        column = self._source.id_column
        # The records of recorders have ids of their own.
        if named.get(column or "id") is None and (column or MARKS.isdisjoint(named)):
            named[column or "id"] = key
        return named

    def _found(self, entry: Any, inside: Sequence[Any]) -> Any:
        if self._source.message:
            held = _at(_object(entry), self._source.message)
            return self._record(held, 0)
        return next((found for part in inside if (found := self._record(part, 0)) is not None), None)

    def _record(self, value: Any, level: int) -> Any:
        """The record that a value is or holds; None where there is none."""
        value = _object(value)
        if is_conversation(value):
            return {"messages": value}
        if not isinstance(value, Mapping):
            return None
        is_record = self._is_record(value)
        if level < _MOST_LEVELS:
            try:
                # A record as text in a field is what was written; the fields beside it were added.
                for name in _TEXTS:
                    if isinstance(value.get(name), str) and (found := self._record(value[name], level + 1)):
                        return found
            except Unreadable:
                if not is_record:
                    raise
        if is_record or level >= _MOST_LEVELS:
            return value if is_record else None
        parts = (value[name] for name in _OBJECTS if isinstance(value.get(name), Mapping))
        return next((found for part in parts if (found := self._record(part, level + 1)) is not None), None)

    def _is_record(self, value: Mapping[str, Any]) -> bool:
        held = {name for name in self._content.intersection(value) if value[name] is not None}
        if isinstance(value.get("context"), Mapping):
            held.discard("context")  # a logger's; that of a record is a list of turns
        if held:
            return True
        marks = self._marks.intersection(value)
        return bool(marks) and (marks != {"attributes"} or not _CORRELATION.isdisjoint(value))


def moment(nanoseconds: int) -> str:
    """A Unix time as ISO 8601, cut to microseconds: a rounded one might leave its window."""
    return (_EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat()


def nanoseconds(time: datetime) -> int:
    """A moment as Unix time, without the error of a float."""
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def _object(value: Any) -> Any:
    """What a text of JSON holds; any other text, and what is no text, as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        start = value.lstrip()
        if start[:1] == "[" and not start[1:].lstrip().startswith("{"):
            return value  # `[INFO] started`
        return parse_json(value.strip())
    return value


def _at(value: Any, path: str) -> Any:
    """What stands at a path such as `log.message`; a name with dots in it counts as one too."""
    if not isinstance(value, Mapping):
        return None
    if path in value:
        return value[path]
    head, _, rest = path.partition(".")
    return _at(value.get(head), rest) if rest else None


def _text(entry: Any) -> str:
    return entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False, default=str)

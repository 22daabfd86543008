"""Which columns of a log name a row and say when it was logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from distil_dag.stages.reading.fields import MARKS
from distil_dag.stages.reading.strict_values import time_or_none

TIMES = (
    "created_at", "createdAt", "logged_at", "timestamp", "Timestamp", "time", "datetime", "date_time", "ts",
    "date", "created", "requested_at", "request_time", "event_time", "inserted_at", "start_time", "startTime",
    "started_at", "start_timestamp", "startTimeUnixNano", "start_time_unix_nano", "@timestamp",
)  # fmt: skip
"""Names of columns with the time of a record, the likeliest first."""
IDS = (
    "id", "request_id", "requestId", "log_id", "record_id", "row_id", "call_id", "completion_id", "event_id",
    "message_id", "uuid", "_id",
)  # fmt: skip
"""Names of columns that name a record, the likeliest first."""
# A number of seconds or of tokens is no time of a log.
_EARLIEST = 2005
_NEARLY_ALL = 0.95


def is_time(value: Any) -> bool:
    """Whether a value is a moment at which a log may have been written."""
    return _time(value) is not None


def time_of(record: Mapping[str, Any]) -> datetime | None:
    """When a record was logged, as far as a column of a known name says it."""
    times = (_time(record[name]) for name in TIMES if name in record)
    return next((time for time in times if time), None)


def _time(value: Any) -> datetime | None:
    moment = time_or_none(value)
    return moment if moment and moment.year >= _EARLIEST else None


class Columns:
    """Finds the columns by their names and values, record after record."""

    def __init__(self) -> None:
        self._records = self._recorded = 0
        self._times: Counter[str] = Counter()
        self._ids: dict[str, set[int]] = {}

    def add(self, record: Mapping[str, Any]) -> None:
        """Take a record as it was logged."""
        self._records += 1
        self._recorded += not MARKS.isdisjoint(record)
        self._times.update(name for name in TIMES if name in record and is_time(record[name]))
        for name in IDS:
            if isinstance(value := record.get(name), (str, int)) and value != "":
                self._ids.setdefault(name, set()).add(hash(value))

    @property
    def time(self) -> str | None:
        """The column that nearly all records have a time in."""
        enough = _NEARLY_ALL * self._records
        return next((name for name in TIMES if self._times[name] >= max(enough, 1)), None)

    @property
    def id(self) -> str | None:
        """The column whose values name the records; None where `id` does, or the ids of a recorder."""
        if self._recorded or "id" in self._ids:
            return None
        enough = _NEARLY_ALL * self._records
        return next((name for name in IDS if len(self._ids.get(name, ())) >= max(enough, 1)), None)

"""When a record was made, as it says itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from distil_dag.stages.reading.strict_values import time_or_none

_STARTS = (
    "startTime", "start_time", "started_at", "start_timestamp", "startTimeUnixNano", "start_time_unix_nano",
    "request_created_at", "timeUnixNano", "timestamp", "created_at", "createdAt", "created",
)  # fmt: skip


def own_time(record: Mapping[str, Any]) -> datetime | None:
    """The moment at which a recorder's record begins, also of one that can't be read otherwise.

    Args:
        record: the record as it was logged.

    Returns:
        The moment in UTC; None for a record that says none.
    """
    times = (time_or_none(record[name]) for name in _STARTS if name in record)
    return next((time for time in times if time), None)

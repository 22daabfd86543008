"""Records that recorders wrote in parts, put together while a log streams by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

from distil_dag.stages.reading.exports.batches import BATCH
from distil_dag.stages.reading.recorders.joined import as_joined, is_complete, join, key_of
from distil_dag.stages.reading.strict_values import Unreadable

_MOST_WAITING, _MOST_BYTES = 4096, 2**25


class _Waiting(NamedTuple):
    record: Any
    size: int


class Joining:
    """Keeps parts until the rest of them comes, in bounded memory.

    The oldest part leaves as it is where too many wait. What comes for half of a batch later is joined with
    nothing: it may belong to another batch, whose ids are the same.

    Attributes:
        joined: how many records have gone into another.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._size = 0
        self._left: set[int] = set()
        self.joined = 0

    def push(self, record: Any) -> Iterator[Any]:
        """The records that are whole now that another has come.

        Args:
            record: a raw record, whose value is an object.
        """
        try:
            key = key_of(record.value)
        except Unreadable:
            key = ""
        if not key or hash(key) in self._left:
            yield record
            return
        # Its line may hold many others, and would be kept for as long.
        record = record._replace(raw=None)
        before = self._pop(key)
        if before is not None:
            try:
                record = before._replace(value=join(before.value, record.value))
                self.joined += 1
            except Unreadable:
                yield before
                before = None
        if before is not None and is_complete(record.value):
            yield record
            return
        size = len(str(record.value))
        self._waiting[key] = _Waiting(record, size)
        self._size += size
        while len(self._waiting) > _MOST_WAITING or (self._size > _MOST_BYTES and len(self._waiting) > 1):
            if (oldest := next(iter(self._waiting))).startswith(BATCH):
                self._left.add(hash(oldest))
            yield self._oldest()

    def rest(self) -> Iterator[Any]:
        """What still waits at the end of the log."""
        while self._waiting:
            yield self._oldest()

    def _pop(self, key: str) -> Any:
        found = self._waiting.pop(key, None)
        if found is None:
            return None
        self._size -= found.size
        return found.record

    def _oldest(self) -> Any:
        record = self._pop(next(iter(self._waiting)))
        try:
            return record._replace(value=as_joined(record.value))
        except Unreadable:
            return record

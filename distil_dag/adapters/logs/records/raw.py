"""Records as a source found them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from distil_dag.stages.reading.recorders.outcome import NoAnswer
from distil_dag.stages.reading.records_in import records_in
from distil_dag.stages.reading.strict_values import Unreadable, bare, parse_json


class RawRecord(NamedTuple):
    """One record as a source found it.

    Attributes:
        source: File, table or dataset.
        position: Line, row or id in the source.
        value: The record as an object; None where it can't be read.
        raw: Its original bytes, where the source has them.
        problem: Why it has no `value`: it can't be read, or is something else.
        columnar: Whether it comes from typed columns, where an absent value shows as null.
    """

    source: str
    position: str
    value: Any
    raw: Any = None
    problem: Unreadable | NoAnswer | None = None
    columnar: bool = False


class Line(NamedTuple):
    """A line of a file of JSON lines, which nobody has parsed yet; it may hold a list of records."""

    source: str
    number: int
    raw: bytes

    @property
    def position(self) -> str:
        """As of a record."""
        return f"line {self.number}"


def records_of(page: Iterable[RawRecord | Line]) -> Iterator[RawRecord]:
    """The records of a page, its lines parsed."""
    for one in page:
        if type(one) is not Line:
            yield one  # type: ignore[misc]
            continue
        source, number, raw = one
        position = f"line {number}"
        try:
            found = records_in(parse_json(raw))
        except Unreadable as problem:
            yield RawRecord(source, position, None, raw, bare(problem))
            continue
        if len(found) == 1:
            yield RawRecord(source, position, found[0], raw)
            continue
        for item, record in enumerate(found, start=1):
            yield RawRecord(source, f"{position}, item {item}", record, raw)

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
        if type(one) is Line:
            yield from _of_line(one)
        else:
            yield one  # type: ignore[misc]


def _of_line(line: Line) -> Iterator[RawRecord]:
    position = line.position
    try:
        value = parse_json(line.raw)
    except Unreadable as problem:
        yield RawRecord(line.source, position, None, line.raw, bare(problem))
        return
    found = records_in(value)
    if len(found) == 1:
        yield RawRecord(line.source, position, found[0], line.raw)
        return
    for item, record in enumerate(found, start=1):
        yield RawRecord(line.source, f"{position}, item {item}", record, line.raw)

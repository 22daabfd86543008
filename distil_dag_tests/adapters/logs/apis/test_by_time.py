"""Paging by time, over a service that counts rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from distil_dag.adapters.logs.apis.by_time import Answer, pages_by_time
from distil_dag.adapters.logs.apis.service import Window

START = datetime(2026, 10, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Counting:
    """A service whose pages are places in the rows of a window, both ends of it inclusive."""

    def __init__(self, seconds: list[float], size: int = 3) -> None:
        self.rows = [(START + timedelta(seconds=second), place) for place, second in enumerate(seconds)]
        self.size = size
        self.asked = 0

    def ask(self, since: datetime, until: datetime, skipped: Any) -> Answer:
        self.asked += 1
        held = [row for row in sorted(self.rows) if since <= row[0] <= until][skipped or 0 :]
        more = len(held) > self.size
        return Answer(held[: self.size], (skipped or 0) + self.size if more else None)

    def pages(self, since: float | None = None, until: float | None = None) -> Iterator[list[Any]]:
        ends = (None if end is None else START + timedelta(seconds=end) for end in (since, until))
        return pages_by_time(self.ask, Window(*ends), lambda row: row[0], SECOND)


def places(pages: Iterator[list[Any]]) -> list[int]:
    return [place for _, place in itertools.chain.from_iterable(pages)]


@pytest.mark.parametrize(
    "seconds",
    [[], [0], [0, 1, 2], [0, 1, 2, 3, 4, 5, 6], [0.1, 0.2, 0.3, 0.4, 0.5, 3], [5] * 7, [1, 1.5, 2]],
)
def test_each_row_comes_once(seconds: list[float]) -> None:
    service = Counting(seconds)
    assert sorted(places(service.pages())) == list(range(len(seconds)))


def test_windows_are_disjoint() -> None:
    seconds = [place / 4 for place in range(40)]
    service = Counting(seconds)
    cut = [places(service.pages(start, start + 2)) for start in range(0, 10, 2)]
    assert list(itertools.chain.from_iterable(cut)) == list(range(40))


def test_ends_between_what_a_service_tells_apart() -> None:
    seconds = [5 + place / 20 for place in range(20)]
    cut = [places(Counting(seconds).pages(start, start + 0.25)) for start in (5, 5.25, 5.5, 5.75)]
    assert list(itertools.chain.from_iterable(cut)) == list(range(20))


def test_an_empty_window() -> None:
    assert places(Counting([1, 2, 3, 4, 5, 6]).pages(4, 4)) == []


@pytest.mark.parametrize("written", [-5.0, 0.5, 100.0])
def test_rows_that_are_written_meanwhile_shift_nothing(written: float) -> None:
    service = Counting([float(place) for place in range(20)])
    pages = service.pages()
    seen = places(iter([next(pages)]))
    service.rows += [(START + timedelta(seconds=written), 100 + place) for place in range(7)]
    seen += places(pages)
    assert len(set(seen)) == len(seen)
    assert set(range(20)) <= set(seen)


def test_no_row_is_asked_for_many_times() -> None:
    service = Counting([float(place) for place in range(300)], size=10)
    assert places(service.pages()) == list(range(300))
    assert service.asked < 40

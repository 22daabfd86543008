"""Pages of a service that counts rows to page: the time of the last row says where the next page begins.

A row that is written between two answers shifts the places of all rows behind it. Their times stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from distil_dag.adapters.logs.apis.service import Window

EPOCH, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""The ends of a window that has none."""


class Answer(NamedTuple):
    """What a service says at once.

    Attributes:
        rows: In the order of their times.
        next: What asks for the rows behind them by their places; None for the last answer.
    """

    rows: list[Any]
    next: Any = None


Ask = Callable[[datetime, datetime, Any], Answer]
"""From start, end and `Answer.next` (None at first) to an answer, which may hold more than was asked for."""


def pages_by_time(
    ask: Ask, window: Window, time_of: Callable[[Any], datetime], step: timedelta
) -> Iterator[list[Any]]:
    """The rows of a window, each once.

    Args:
        ask: Asks the service.
        window: The times that are asked for.
        time_of: The time of a row.
        step: What the service tells apart in the ends of a window.

    Yields:
        Rows in the order of their times.
    """
    since, until = window.since or EPOCH, window.until or LAST

    def within(rows: list[Any], start: datetime, end: datetime) -> list[Any]:
        return [row for row in rows if max(start, since) <= time_of(row) < min(end, until)]

    while since < until:
        answer = ask(since, until, None)
        if answer.next is None:
            yield within(answer.rows, since, until)
            return
        edge = _floor(time_of(answer.rows[-1]), step)
        if done := within(answer.rows, since, edge):
            yield done
        else:
            # One step holds more rows than an answer, and is long past: nothing is written into it any more.
            for rows in _by_place(ask, edge, edge + step):
                yield within(rows, edge, edge + step)
            edge += step
        since = max(since, edge)


def _by_place(ask: Ask, start: datetime, end: datetime) -> Iterator[list[Any]]:
    answer = ask(start, end, None)
    yield answer.rows
    while answer.next is not None:
        answer = ask(start, end, answer.next)
        yield answer.rows


def _floor(time: datetime, step: timedelta) -> datetime:
    return time - (time - EPOCH) % step

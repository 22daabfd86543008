"""Pages of a service that counts rows to page: the time of the last row says where the next page begins.

A row that is written between two answers shifts the places of all rows behind it. Their times stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from distil_dag.adapters.logs.apis.service import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Answer(NamedTuple):
    """What a service says at once.

    Attributes:
        rows: In the order of their times.
        next: What asks for the rows behind them by their places; None for the last answer.
    """

    rows: list[Any]
    next: Any = None


Ask = Callable[[Window, Any], Answer]
"""From a window and `Answer.next` (None at first) to an answer, which may hold more than the window."""


def pages_by_time(
    ask: Ask, window: Window, time_of: Callable[[Any], datetime], step: timedelta
) -> Iterator[list[Any]]:
    """The rows of a window, each once.

    Args:
        ask: asks the service.
        window: the times that are asked for.
        time_of: the time of a row.
        step: what the service tells apart in the ends of a window.

    Yields:
        Rows in the order of their times.
    """

    def within(rows: list[Any], since: datetime | None, until: datetime | None) -> list[Any]:
        timed = [(time_of(row), row) for row in rows]
        return [
            row for time, row in timed if (since is None or time >= since) and (until is None or time < until)
        ]

    since, until = window
    while until is None or since is None or since < until:
        answer = ask(Window(since, until), None)
        if answer.next is None:
            yield within(answer.rows, since, until)
            return
        edge = _floor(time_of(answer.rows[-1]), step)
        if done := within(answer.rows, since, edge if until is None else min(edge, until)):
            yield done
        else:
            # One step holds more rows than an answer, and is long past: nothing is written into it any more.
            yield from _step(ask, Window(edge, edge + step), within)
            edge += step
        since = edge


def _step(
    ask: Ask, moment: Window, within: Callable[[list[Any], datetime | None, datetime | None], list[Any]]
) -> Iterator[list[Any]]:
    answer = ask(moment, None)
    yield within(answer.rows, *moment)
    while answer.next is not None:
        answer = ask(moment, answer.next)
        yield within(answer.rows, *moment)


def _floor(time: datetime, step: timedelta) -> datetime:
    return time - (time - _EPOCH) % step

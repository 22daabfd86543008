"""What the page of a server shows, also as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from distil_dag.adapters.serving.exchanges.reader import ExchangeReader
from distil_dag.core.reports.base import Report
from distil_dag.stages.serving.exchanges.overview import Overview, overview_of
from distil_dag.stages.serving.standing import Standing

WINDOW = timedelta(days=30)
"""How far back a page looks."""
_RECENT, _DISAGREEING = 2000, 20


class Promise(Report):
    """What is promised of the answers that a student gives alone, and how far it is proved.

    Attributes:
        target: share of these answers that is to agree with the teacher, at least.
        confidence: with which confidence.
        standing: what is proved by now.
    """

    target: float
    confidence: float
    standing: Standing


class TaskPage(Report):
    """A task on the page: what its exchanges add up to, and its promise where it has one."""

    overview: Overview
    promise: Promise | None = None


class PageData(Report):
    """All that a page shows.

    Attributes:
        made: when.
        days: how many days it looks back.
        tasks: the tasks of the server.
        dropped: exchanges that could not be kept.
        currency: in which costs are.
    """

    made: datetime
    days: int
    tasks: list[TaskPage]
    dropped: int = 0
    currency: str = ""


def page_data(
    reader: ExchangeReader,
    promises: Mapping[str, Promise | None],
    dropped: int = 0,
    currency: str = "",
    now: datetime | None = None,
) -> PageData:
    """What a page shows of a log by now.

    Args:
        reader: of the log.
        promises: name of each task that the server answers -> its promise, if it has one.
        dropped: exchanges that could not be kept.
        currency: in which costs are.
        now: the end of the time that is looked at.
    """
    now = now or datetime.now(UTC)
    tasks = []
    for task, promise in promises.items():
        overview = overview_of(
            task,
            reader.hours(task, now - WINDOW),
            reader.recent(task, _RECENT),
            reader.disagreeing(task, _DISAGREEING),
        )
        tasks.append(TaskPage(overview=overview, promise=promise))
    return PageData(made=now, days=WINDOW.days, tasks=tasks, dropped=dropped, currency=currency)

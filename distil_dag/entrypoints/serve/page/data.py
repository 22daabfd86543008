"""What the page of a server shows, also as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from distil_dag.adapters.serving.exchanges.reader import ExchangeReader
from distil_dag.adapters.serving.served_tasks import WINDOW
from distil_dag.core.reports.base import Report
from distil_dag.entrypoints.serve.candidate import Candidate
from distil_dag.stages.serving.exchanges.overview import Agreement, Overview, agreement_of, overview_of
from distil_dag.stages.serving.standing import Standing

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


class CandidateFigures(Report):
    """A student beside the one of a task, since the server was started.

    Attributes:
        identity: name and content hash of its file.
        agreement: with the teacher, or with what was sent where that was not asked.
        share: of conversations that are its own; 0 for a mere shadow.
        requests: requests of its share.
        alone: of these, those that it has answered.
        standing: what it has proved; None where nothing is to be proved.
    """

    identity: str
    agreement: Agreement
    share: float
    requests: int
    alone: int
    standing: Standing | None

    @classmethod
    def of(cls, candidate: Candidate) -> CandidateFigures:
        """Those of a candidate by now."""
        return cls(
            identity=candidate.identity,
            agreement=agreement_of(candidate.agreed, candidate.compared),
            share=candidate.share,
            requests=candidate.requests,
            alone=candidate.alone,
            standing=candidate.loaded.policy.standing,
        )


class TaskPage(Report):
    """A task on the page: what its exchanges add up to, with its promise and its candidate if it has them."""

    overview: Overview
    promise: Promise | None = None
    candidate: CandidateFigures | None = None


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
    candidates: Mapping[str, CandidateFigures] | None = None,
) -> PageData:
    """What a page shows of a log by now.

    Args:
        reader: of the log.
        promises: name of each task that the server answers -> its promise, if it has one.
        dropped: exchanges that could not be kept.
        currency: in which costs are.
        now: the end of the time that is looked at.
        candidates: name of a task -> the student beside its own.
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
        tasks.append(TaskPage(overview=overview, promise=promise, candidate=(candidates or {}).get(task)))
    return PageData(made=now, days=WINDOW.days, tasks=tasks, dropped=dropped, currency=currency)

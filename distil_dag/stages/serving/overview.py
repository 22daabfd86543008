"""What the exchanges of a task add up to: who answers, how far both agree, how long it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from distil_dag.core.reports.base import Estimate, Report
from distil_dag.stages.serving.answers import shown_answer, tools_of, words_of
from distil_dag.stages.serving.exchange import Exchange
from distil_dag.stages.statistics import quantiles, wilson

ENOUGH = 200
"""Comparisons of student and teacher that an agreement over time rests on, as far as there are so many."""
_MOST_POINTS = 60
_MOST_TOOLS = 200


@dataclass(frozen=True)
class Hour:
    """The exchanges of an hour, counted.

    Attributes:
        start: when it began.
        answered: all exchanges.
        alone: those that the student answered.
        compared: those that both answered.
        agreed: those where they agree.
        audited: those that the student answered, and the teacher too.
        cost: what the teacher cost.
        priced: exchanges with a cost.
    """

    start: datetime
    answered: int = 0
    alone: int = 0
    compared: int = 0
    agreed: int = 0
    audited: int = 0
    cost: float = 0.0
    priced: int = 0


class Point(Report):
    """Some hours on a plot.

    Attributes:
        start: when they begin.
        answered: their exchanges.
        alone: share that the student answered.
        agreement: share that agrees, with comparisons of the hours before where there are less than `ENOUGH`.
    """

    start: datetime
    answered: int
    alone: float
    agreement: Estimate | None


class Latency(Report):
    """Time of an exchange in milliseconds, by who answered; of the newest exchanges."""

    who: str
    exchanges: int
    median: float
    p95: float


class ToolTrust(Report):
    """A tool, or none: how often both answered, how far they agree, which share is answered alone."""

    tool: str
    exchanges: int
    alone: float
    compared: int
    agreement: Estimate | None


class Disagreement(Report):
    """Two answers to one request that differ."""

    id: str
    time: datetime
    request: str
    student: str
    teacher: str
    heard: str
    confidence: float | None


class Overview(Report):
    """What a page shows of a task.

    Attributes:
        task: its name.
        student: identity of the student that answered last.
        teacher: the teacher that answered last.
        answered: all exchanges of the time that is looked at.
        alone: share that the student answered.
        agreement: share of those that both answered where they agree, with its interval.
        compared: how many both answered.
        points: the same over time.
        latency: by who answered.
        spent: what the teacher cost; None without prices.
        saved: what it would have cost to ask it for the rest too, at the mean price of an exchange.
        reasons: reason of the route -> exchanges, of the newest ones.
        tools: by tool of the answer, of the newest ones.
        disagreements: the last ones, the newest first.
    """

    task: str
    student: str
    teacher: str | None
    answered: int
    alone: float
    agreement: Estimate | None
    compared: int
    points: list[Point]
    latency: list[Latency]
    spent: float | None
    saved: float | None
    reasons: dict[str, int]
    tools: list[ToolTrust]
    disagreements: list[Disagreement]


def overview_of(
    task: str, hours: Sequence[Hour], recent: Sequence[Exchange], disagreeing: Sequence[Exchange]
) -> Overview:
    """What the exchanges of a task add up to.

    Args:
        task: its name.
        hours: the hours of the time that is looked at, in order.
        recent: its newest exchanges, in order; their requests are not needed.
        disagreeing: the last ones where student and teacher differ, the newest first.
    """
    total = _merged(hours) if hours else Hour(datetime.min)
    teachers = [exchange.teacher for exchange in recent if exchange.teacher]
    asked = total.answered - total.alone + total.audited
    price = total.cost / total.priced if total.priced else None
    return Overview(
        task=task,
        student=recent[-1].student if recent else "",
        teacher=teachers[-1] if teachers else None,
        answered=total.answered,
        alone=_share(total.alone, total.answered),
        agreement=_agreement(total.agreed, total.compared),
        compared=total.compared,
        points=_points(_parts(hours)),
        latency=_latency(recent),
        spent=total.cost if total.priced else None,
        saved=None if price is None else price * (total.answered - asked),
        reasons=dict(Counter(exchange.why for exchange in recent).most_common()),
        tools=_by_tool(recent),
        disagreements=[_disagreement(exchange) for exchange in disagreeing],
    )


def hours_of(exchanges: Iterable[Exchange]) -> list[Hour]:
    """Exchanges counted by hour, in order of time."""
    found: dict[datetime, list[Exchange]] = {}
    for exchange in exchanges:
        found.setdefault(exchange.time.replace(minute=0, second=0, microsecond=0), []).append(exchange)
    return [_hour(start, found[start]) for start in sorted(found)]


def _hour(start: datetime, exchanges: Sequence[Exchange]) -> Hour:
    alone = [exchange for exchange in exchanges if exchange.answered_by == "student"]
    costs = [exchange.cost for exchange in exchanges if exchange.cost is not None]
    return Hour(
        start=start,
        answered=len(exchanges),
        alone=len(alone),
        compared=sum(exchange.agrees is not None for exchange in exchanges),
        agreed=sum(exchange.agrees is True for exchange in exchanges),
        audited=sum(exchange.audited for exchange in alone),
        cost=sum(costs),
        priced=len(costs),
    )


def _merged(hours: Sequence[Hour]) -> Hour:
    sums: dict[str, Any] = {
        name: sum(getattr(hour, name) for hour in hours)
        for name in ("answered", "alone", "compared", "agreed", "audited", "cost", "priced")
    }
    return Hour(hours[0].start, **sums)


def _parts(hours: Sequence[Hour]) -> list[Hour]:
    """The hours, merged into spans of equal length where there are too many for a plot."""
    if not hours:
        return []
    begin = hours[0].start
    length = -(-((hours[-1].start - begin) // timedelta(hours=1) + 1) // _MOST_POINTS)
    parts: dict[int, list[Hour]] = {}
    for hour in hours:
        parts.setdefault((hour.start - begin) // timedelta(hours=length), []).append(hour)
    return [_merged(part) for part in parts.values()]


def _points(parts: Sequence[Hour]) -> list[Point]:
    found = []
    for place, part in enumerate(parts):
        first = place
        compared, agreed = part.compared, part.agreed
        while compared < ENOUGH and first:
            first -= 1
            compared, agreed = compared + parts[first].compared, agreed + parts[first].agreed
        alone = _share(part.alone, part.answered)
        agreement = _agreement(agreed, compared)
        found.append(Point(start=part.start, answered=part.answered, alone=alone, agreement=agreement))
    return found


def _share(some: int, of: int) -> float:
    return some / of if of else 0.0


def _agreement(agreed: int, compared: int) -> Estimate | None:
    return wilson(agreed, compared) if compared else None


def _latency(exchanges: Sequence[Exchange]) -> list[Latency]:
    found = []
    for who in ("student", "teacher"):
        times = [exchange.latency_ms for exchange in exchanges if exchange.answered_by == who]
        if times:
            median, p95 = quantiles(times, (0.5, 0.95))
            found.append(Latency(who=who, exchanges=len(times), median=median, p95=p95))
    return found


def _by_tool(exchanges: Sequence[Exchange]) -> list[ToolTrust]:
    """By the tools that the teacher calls, where it was asked, else by those of the student."""
    found: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        for tool in tools_of(exchange.of_teacher or exchange.response):
            found.setdefault(tool, []).append(exchange)
    return [
        ToolTrust(
            tool=tool,
            exchanges=len(of_tool),
            alone=_share(sum(exchange.answered_by == "student" for exchange in of_tool), len(of_tool)),
            compared=sum(exchange.agrees is not None for exchange in of_tool),
            agreement=_agreement(
                sum(exchange.agrees is True for exchange in of_tool),
                sum(exchange.agrees is not None for exchange in of_tool),
            ),
        )
        for tool, of_tool in sorted(found.items(), key=lambda item: -len(item[1]))[:_MOST_TOOLS]
    ]


def _disagreement(exchange: Exchange) -> Disagreement:
    return Disagreement(
        id=exchange.id,
        time=exchange.time,
        request=words_of(exchange.request),
        student=shown_answer(exchange.of_student),
        teacher=shown_answer(exchange.of_teacher),
        heard=exchange.answered_by,
        confidence=exchange.confidence,
    )

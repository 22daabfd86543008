"""What the exchanges of a task add up to: who answers, how far both agree, how long it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from distil_dag.core.reports.base import Estimate, Report
from distil_dag.stages.serving.exchange import Exchange
from distil_dag.stages.serving.exchanges.answers import shown_answer, tools_of, words_of
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
        audited: of these, those that the teacher answered too.
        heard_compared: of these, those where the two answers could be compared.
        heard_agreed: of these, those where they agree.
        shadow_compared: exchanges that the teacher answered, and the student in its shadow, comparably.
        shadow_agreed: of these, those where they agree.
        cost: what the teacher cost.
        priced: exchanges with a cost.
    """

    start: datetime
    answered: int = 0
    alone: int = 0
    audited: int = 0
    heard_compared: int = 0
    heard_agreed: int = 0
    shadow_compared: int = 0
    shadow_agreed: int = 0
    cost: float = 0.0
    priced: int = 0


class Agreement(Report):
    """How far student and teacher agree where both answered.

    Attributes:
        compared: how many answers were compared.
        share: share of them that agree, with its 95 % interval; None where there are none.
    """

    compared: int
    share: Estimate | None


class Point(Report):
    """Some hours on a plot.

    Where less than `ENOUGH` were compared, agreement takes in the hours before.

    Attributes:
        start: when they begin.
        answered: their exchanges.
        alone: share that the student answered.
        heard: agreement where the student was heard.
        shadow: agreement where the teacher was heard.
    """

    start: datetime
    answered: int
    alone: float
    heard: Agreement
    shadow: Agreement


class Latency(Report):
    """Time of an exchange in milliseconds, by who answered; of the newest exchanges."""

    who: str
    exchanges: int
    median: float
    p95: float


class ToolTrust(Report):
    """A tool, or none: how often it is called, which share is answered alone, how far both agree."""

    tool: str
    exchanges: int
    alone: float
    heard: Agreement
    shadow: Agreement


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
        heard: agreement where the student was heard, by audits: what is promised.
        shadow: agreement where the teacher was heard: the answers of which the student is not sure.
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
    heard: Agreement
    shadow: Agreement
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
    price = total.cost / total.priced if total.priced else None
    return Overview(
        task=task,
        student=recent[-1].student if recent else "",
        teacher=teachers[-1] if teachers else None,
        answered=total.answered,
        alone=_share(total.alone, total.answered),
        heard=agreement_of(total.heard_agreed, total.heard_compared),
        shadow=agreement_of(total.shadow_agreed, total.shadow_compared),
        points=_points(_parts(hours)),
        latency=_latency(recent),
        spent=total.cost if total.priced else None,
        saved=None if price is None else price * (total.alone - total.audited),
        reasons=dict(Counter(exchange.why for exchange in recent).most_common()),
        tools=_by_tool(recent),
        disagreements=[_disagreement(exchange) for exchange in disagreeing],
    )


def agreement_of(agreed: int, compared: int) -> Agreement:
    """Counts as a share with its 95 % interval."""
    return Agreement(compared=compared, share=wilson(agreed, compared) if compared else None)


def hours_of(exchanges: Iterable[Exchange]) -> list[Hour]:
    """Exchanges counted by hour, in order of time."""
    found: dict[datetime, list[Exchange]] = {}
    for exchange in exchanges:
        found.setdefault(exchange.time.replace(minute=0, second=0, microsecond=0), []).append(exchange)
    return [_counted(start, found[start]) for start in sorted(found)]


def _counted(start: datetime, exchanges: Sequence[Exchange]) -> Hour:
    alone = [exchange for exchange in exchanges if exchange.answered_by == "student"]
    shadow = [exchange for exchange in exchanges if exchange.answered_by == "teacher"]
    costs = [exchange.cost for exchange in exchanges if exchange.cost is not None]
    return Hour(
        start=start,
        answered=len(exchanges),
        alone=len(alone),
        audited=sum(exchange.audited for exchange in alone),
        heard_compared=sum(exchange.agrees is not None for exchange in alone),
        heard_agreed=sum(exchange.agrees is True for exchange in alone),
        shadow_compared=sum(exchange.agrees is not None for exchange in shadow),
        shadow_agreed=sum(exchange.agrees is True for exchange in shadow),
        cost=sum(costs),
        priced=len(costs),
    )


def _merged(hours: Sequence[Hour]) -> Hour:
    sums: dict[str, Any] = {
        field.name: sum(getattr(hour, field.name) for hour in hours)
        for field in fields(Hour)
        if field.name != "start"
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
    return [
        Point(
            start=part.start,
            answered=part.answered,
            alone=_share(part.alone, part.answered),
            heard=_until([(one.heard_agreed, one.heard_compared) for one in parts[: place + 1]]),
            shadow=_until([(one.shadow_agreed, one.shadow_compared) for one in parts[: place + 1]]),
        )
        for place, part in enumerate(parts)
    ]


def _until(counts: Sequence[tuple[int, int]]) -> Agreement:
    """Agreement of the last counts, of as many as are needed for `ENOUGH` comparisons."""
    agreed = compared = 0
    for some, of in reversed(counts):
        if compared >= ENOUGH:
            break
        agreed, compared = agreed + some, compared + of
    return agreement_of(agreed, compared)


def _share(some: int, of: int) -> float:
    return some / of if of else 0.0


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
    counted = {tool: _counted(datetime.min, of_tool) for tool, of_tool in found.items()}
    return [
        ToolTrust(
            tool=tool,
            exchanges=count.answered,
            alone=_share(count.alone, count.answered),
            heard=agreement_of(count.heard_agreed, count.heard_compared),
            shadow=agreement_of(count.shadow_agreed, count.shadow_compared),
        )
        for tool, count in sorted(counted.items(), key=lambda item: -item[1].answered)[:_MOST_TOOLS]
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

"""A share over time as the coordinates of an SVG, which a template draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from distil_dag.core.reports.base import Estimate

WIDTH, HEIGHT = 460, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 26
_STEP = 0.1
_MOST_DOTS = 60


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    says: str


@dataclass(frozen=True)
class Plot:
    """Coordinates in a picture of `WIDTH` by `HEIGHT`.

    Attributes:
        line: points of the line, as `points` of a polyline has them; empty without one.
        band: points around its intervals; empty without one.
        dots: centre of each of its points; none where they are many.
        beside: points of another line; empty without one.
        rows: marks of the vertical axis.
        columns: marks of the horizontal axis.
        target: height of the wanted share; None without one.
        says: the plot in words, for those who do not see it.
    """

    line: str
    band: str
    dots: tuple[tuple[float, float], ...]
    beside: str
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    target: float | None
    says: str
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


Series = Sequence[tuple[datetime, Estimate]]
"""Moments in order, each with a share and its interval; one without width is none."""


def share_plot(
    shares: Series, what: str, beside: Series = (), target: float | None = None, whole: bool = False
) -> Plot | None:
    """The plot of a share over time.

    Args:
        shares: drawn as a line with dots, and a band of its intervals.
        what: what is plotted, in words.
        beside: drawn as a line alone.
        target: a share to draw across.
        whole: whether the axis begins at 0; else where the lowest value needs it.

    Returns:
        None without a value.
    """
    drawn = [*shares, *beside]
    if not drawn:
        return None
    begin, end = min(moment for moment, _ in drawn), max(moment for moment, _ in drawn)
    lows = [share.low for _, share in shares] + [share.value for _, share in beside]
    lowest = min([*lows, 1.0 if target is None else target])
    floor = 0.0 if whole else min(1 - _STEP, max(0.0, math.floor(lowest / _STEP) * _STEP))

    def x(moment: datetime) -> float:
        span = (end - begin).total_seconds()
        part = (moment - begin).total_seconds() / span if span else 0.5
        return round(_LEFT + part * (WIDTH - _LEFT - _RIGHT), 1)

    def y(share: float) -> float:
        part = (share - floor) / (1 - floor)
        return round(HEIGHT - _BOTTOM - part * (HEIGHT - _TOP - _BOTTOM), 1)

    dots = tuple((x(moment), y(share.value)) for moment, share in shares)
    upper = [(x(moment), y(share.high)) for moment, share in shares]
    lower = [(x(moment), y(share.low)) for moment, share in reversed(shares)]
    has_band = len(shares) > 1 and any(share.high > share.low for _, share in shares)
    told = ", ".join(
        f"{share.value:.1%} at {moment:%Y-%m-%d %H:%M} UTC"
        for moment, share in (*shares[:1], *shares[1:][-1:])
    )
    return Plot(
        line=_points(dots),
        band=_points([*upper, *lower]) if has_band else "",
        dots=dots if len(dots) <= _MOST_DOTS else (),
        beside=_points([(x(moment), y(share.value)) for moment, share in beside]),
        rows=tuple(Tick(y(share), f"{share:.0%}") for share in (floor, (floor + 1) / 2, 1.0)),
        columns=tuple(Tick(x(moment), _day(moment, begin, end)) for moment in dict.fromkeys((begin, end))),
        target=None if target is None else y(target),
        says=f"{what}: {told or 'none yet'}",
    )


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _day(moment: datetime, begin: datetime, end: datetime) -> str:
    return f"{moment:%b %d}" if (end - begin).days > 2 else f"{moment:%b %d %H:%M}"

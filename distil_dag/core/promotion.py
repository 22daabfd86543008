"""Which student of a task is released, and what a challenger has to show to take its place."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from distil_dag.core.reports.base import Estimate, Report
from distil_dag.core.settings import Count, Section


class PromotionSpec(Section):
    """When a better student takes the champion's place."""

    mode: Literal["propose", "auto"] = Field(
        default="propose",
        description="propose: a person promotes; auto: a challenger that wins is released",
    )
    margin: float = Field(
        default=0.0,
        ge=-1,
        lt=1,
        description="the lower end of a challenger's paired lead must be above this; below 0: not much worse",
    )
    fresh: Count = Field(
        default=50,
        description="traces after both runs that a decision needs; each is looked at once. 0: tests alone",
    )


class ToolDifference(Report):
    """One tool's cases: how many only the challenger got right, and how many only the champion."""

    tool: str
    n: int
    gained: int
    lost: int
    difference: Estimate

    @property
    def regresses(self) -> bool:
        """Whether the challenger is worse beyond chance."""
        return self.difference.high < 0


class Contest(Report):
    """Challenger and champion on the same cases: their exact matches, paired, challenger minus champion."""

    name: str = Field(description="whose cases they are")
    labels: str = Field(description="what is known of their labels")
    n: int
    gained: int = Field(default=0, description="cases that only the challenger got right")
    lost: int = Field(default=0, description="cases that only the champion got right")
    left_out: int = Field(default=0, description="cases that one of both had learned from")
    difference: Estimate | None = Field(default=None, description="None where no case is left")
    tools: list[ToolDifference] = Field(default_factory=list)


Verdict = Literal["promote", "keep", "wait"]
How = Literal["first", "won", "by hand", "rollback"]


class Decision(Report):
    """What a contest of two students has come to."""

    challenger: str
    champion: str
    verdict: Verdict
    reason: str
    contests: list[Contest] = Field(default_factory=list)
    decided: datetime


class Release(Report):
    """A student that was, or is, its task's champion."""

    run: str
    released: datetime
    how: How
    reason: str


class Champions(Report):
    """The releases of a task, oldest first, and the last decision on a challenger."""

    releases: list[Release] = Field(default_factory=list)
    decision: Decision | None = None
    seen_until: datetime | None = Field(
        default=None, description="traces before this were looked at by a decision, and are no longer blind"
    )

    @property
    def current(self) -> Release | None:
        """The champion; None before the first release."""
        return self.releases[-1] if self.releases else None

    @property
    def before(self) -> Release | None:
        """The release that a rollback goes back to: the newest of another run than the champion's."""
        return next((one for one in reversed(self.releases) if one.run != self.releases[-1].run), None)

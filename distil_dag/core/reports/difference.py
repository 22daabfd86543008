"""How two runs differ, and what that did to the score."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from distil_dag.core.reports.base import Estimate, Report


class Change(Report):
    """Something that is not the same in two runs.

    Attributes:
        what: its name, such as `training.epochs` or `rows: log, kept`.
        first: its value in the first run; None where the run has none.
        second: its value in the second run; None where the run has none.
    """

    what: str
    first: Any
    second: Any


class ScoreChange(Report):
    """The score of the second run's student minus that of the first one's.

    Attributes:
        first: exact matches of the first run's student on its whole test.
        second: the same of the second run.
        shared: cases that both have answered, with the same request and label.
        is_same_test: whether these are all cases of both.
        difference: on the shared cases, paired, with Tango's interval; None without any.
        p_value: McNemar's exact test of no difference.
        gained: shared cases that only the second one got right.
        lost: shared cases that only the first one got right.
        by_tool: tool -> gained and lost, where anything was.
        lost_cases: ids of the first lost cases.
    """

    first: Estimate
    second: Estimate
    shared: int
    is_same_test: bool
    difference: Estimate | None = None
    p_value: float = 1.0
    gained: int = 0
    lost: int = 0
    by_tool: dict[str, tuple[int, int]] = Field(default_factory=dict)
    lost_cases: list[str] = Field(default_factory=list)


class RunDifference(Report):
    """Two runs side by side.

    Attributes:
        first: key of a run.
        second: key of the run that is compared with it.
        changes: what is not the same, in the order of the chain.
        score: what became of the score; None unless both were evaluated.
    """

    first: str
    second: str
    changes: list[Change]
    score: ScoreChange | None = None

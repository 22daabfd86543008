"""How a student does in each cell of the coverage plan, by which the next round is planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from distil_dag.core.case import Example
from distil_dag.core.estimate import Report
from distil_dag.core.tool_call import ToolCall


@dataclass(frozen=True)
class AnswerOutcome:
    """What a student made of one request.

    Attributes:
        calls: the calls that the request wants.
        right: whether the student gave them.
    """

    calls: tuple[ToolCall, ...]
    right: bool


@dataclass(frozen=True)
class Earlier:
    """The round that is continued.

    Attributes:
        run: key of its run.
        outcomes: what its student answered to rows set aside from training.
        rows: the rows that it was trained on.
    """

    run: str
    outcomes: Sequence[AnswerOutcome]
    rows: Sequence[Example]


class CellScore(Report):
    """One cell: exact answers on the frozen test, and on rows that were set aside from training."""

    cell: str
    n: int = Field(description="cases of the test")
    exact: int
    before: int | None = Field(
        default=None, description="exact answers of the student that this one continues, on the same cases"
    )
    aside: int = Field(description="rows that were set aside")
    aside_exact: int
    error: float | None = Field(description="error rate on those, smoothed; None where no cell has any")
    weak: bool = Field(description="whether those say that the student fails here more than elsewhere")
    aimed: bool = Field(default=False, description="whether this run's synthetic rows were aimed at it")


class CellsReport(Report):
    """All cells, those with the highest error first. The next round is planned without the test's part."""

    error: float | None = Field(description="error rate on all rows that were set aside; None without any")
    cells: list[CellScore]

    @property
    def weak(self) -> list[CellScore]:
        """The cells in which the student fails more than elsewhere."""
        return [cell for cell in self.cells if cell.weak]

    @property
    def aimed(self) -> list[CellScore]:
        """The cells that this run's synthetic rows were aimed at."""
        return [cell for cell in self.cells if cell.aimed]

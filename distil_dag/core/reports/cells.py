"""How a student does in each cell of the coverage plan."""

from __future__ import annotations

from pydantic import Field

from distil_dag.core.reports.base import Report


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

"""What synthesis attempted and kept."""

from __future__ import annotations

from pydantic import Field

from distil_dag.core.reports.base import Report


class CellCoverage(Report):
    """One cell of the coverage plan: a tool with an argument pattern.

    Attributes:
        cell: its name.
        quota: rows that the plan wants.
        accepted: rows that passed all filters.
    """

    cell: str
    tool: str
    arguments: list[str]
    quota: int
    accepted: int
    weak: bool = Field(default=False, description="whether the student that is continued is weak here")


class SynthesisReport(Report):
    """Synthesis: how many rows were kept of those attempted, and the coverage that they reached."""

    teacher: str
    attempted: int
    accepted: int
    rejected: dict[str, int] = Field(default_factory=dict, description="reason -> rows")
    cells: list[CellCoverage] = Field(default_factory=list)
    by_value: list[tuple[str, str]] = Field(
        default_factory=list, description="tools and arguments that split cells by their value"
    )
    rounds: int = 0
    stopped: str = Field(default="full", description="`full`, or what ended it before")
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    prompts: dict[str, str] = Field(default_factory=dict, description="prompt -> hash of its file")

    @property
    def coverage(self) -> float:
        """Share of the plan's cells that hold at least half of their quota."""
        wanted = [cell for cell in self.cells if cell.quota]
        return sum(2 * cell.accepted >= cell.quota for cell in wanted) / len(wanted) if wanted else 0.0

"""What became of the records of a log."""

from __future__ import annotations

from pydantic import Field

from distil_dag.core.reports.base import Report


class TracesReport(Report):
    """Intake: rows read, kept, marked (kept with a problem), quarantined by reason."""

    read: int
    kept: int
    marked: int = 0
    passed_over: int = Field(default=0, description="rows that choose no tool: text after a tool's result")
    no_answers: dict[str, int] = Field(
        default_factory=dict,
        description="what else recorders wrote (kind -> records), not among the rows read",
    )
    quarantined: dict[str, int] = Field(default_factory=dict)
    redacted: dict[str, int] = Field(default_factory=dict, description="kind of personal data -> hits")
    results_by_order: int = Field(
        default=0, description="tool results without an id of one call, taken in the order of the calls"
    )
    calls_per_tool: dict[str, int] = Field(default_factory=dict)

    @property
    def quarantined_total(self) -> int:
        """Number of rows that were quarantined, for whatever reason."""
        return sum(self.quarantined.values())

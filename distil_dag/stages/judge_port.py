"""What a judge is: something that says how far calls fit a request, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from distil_dag.core.case import Trace
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.ports import Progress, quiet

Calls = tuple[ToolCall, ...]


@dataclass(frozen=True)
class Judgement:
    """A score from 0 to 1, or None with the reason why there is none."""

    score: float | None
    reason: str
    explanation: str = ""
    details: dict[str, float | str] = field(default_factory=dict)


class Judge(Protocol):
    """Scores calls for the requests of traces, in the order of the items."""

    @property
    def identity(self) -> str:
        """The model and the version of the method: what verdicts and lineage record."""
        ...

    def assess(self, items: Sequence[tuple[Trace, Calls]], progress: Progress = quiet) -> list[Judgement]: ...

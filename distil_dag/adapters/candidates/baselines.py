"""Candidates without a model: production's own answers, and the nearest request of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distil_dag.core.case import Case, HeldOut
from distil_dag.core.normalise import ENGLISH, Normaliser
from distil_dag.core.tool_call import render_calls
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.evaluating.candidate import LOOKUP, PRODUCTION
from distil_dag.stages.evaluating.nearest_neighbour import SIMILARITY, nearest_calls
from distil_dag.stages.ports import Progress, quiet


@dataclass
class ProductionCandidate:
    """What the old agent answered, as far as the log has it."""

    model: str = "production log"
    name: str = PRODUCTION
    bytes: int = 0

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """The logged calls; None for a case that the log does not hold.

        Args:
            cases: The test.
            progress: Not called.
        """
        return [
            Answered(render_calls(case.production))
            if isinstance(case, HeldOut) and case.production is not None
            else None
            for case in cases
        ]


@dataclass
class LookupCandidate:
    """Nearest-neighbour lookup: the calls logged for the most similar request.

    Attributes:
        log: The traces that remained after the hold-out.
        normaliser: Tells what a request depends on.
        name: Name in the report.
        bytes: Size of the weights, 0.
    """

    log: Sequence[Case]
    normaliser: Normaliser = ENGLISH
    name: str = LOOKUP
    bytes: int = 0

    @property
    def model(self) -> str:
        """Number of traces and the similarity, for the report."""
        return f"nearest of {len(self.log)} traces by {SIMILARITY}"

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """The calls of the nearest trace; None for every case when the log is empty.

        Args:
            cases: The test.
            progress: Not called.
        """
        if not self.log:
            return [None] * len(cases)
        found = nearest_calls(cases, self.log, self.normaliser)
        return [Answered(render_calls(calls)) for calls in found]

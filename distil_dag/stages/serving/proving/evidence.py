"""The sample that proofs rest on, counted between thresholds, and what it proves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from distil_dag.stages.serving.proving.confidence_sequence import log_evidence
from distil_dag.stages.serving.proving.fallback import levels
from distil_dag.stages.serving.proving.thresholds import Thresholds


@dataclass(frozen=True)
class Proof:
    """A threshold that is proved now.

    Attributes:
        threshold: the score.
        agreed: answers of the sample at it or above that agree.
        disagreed: those that do not.
        level: part of alpha by which it is proved.
    """

    threshold: float
    agreed: int
    disagreed: int
    level: float

    @property
    def answers(self) -> int:
        """Answers of the sample that it rests on."""
        return self.agreed + self.disagreed


class Evidence:
    """Answers of a fair sample, by the strictest threshold that each of them reaches.

    Args:
        grid: the thresholds.
        agreed: answers that agree: one number for each threshold, and one for what reaches none.
        disagreed: those that do not.
    """

    def __init__(
        self, grid: Thresholds, agreed: Sequence[int] | None = None, disagreed: Sequence[int] | None = None
    ) -> None:
        self.grid = grid
        places = len(grid.scores) + 1
        self.agreed = list(agreed or [0] * places)
        self.disagreed = list(disagreed or [0] * places)
        if {len(self.agreed), len(self.disagreed)} != {places}:
            raise ValueError(f"{places} numbers of answers belong to {places - 1} thresholds")

    @property
    def answers(self) -> int:
        """Answers of the whole sample."""
        return sum(self.agreed) + sum(self.disagreed)

    def add(self, score: float, agreed: bool) -> None:
        """Count one answer of the sample."""
        (self.agreed if agreed else self.disagreed)[self.grid.place(score)] += 1

    def proved(self, target: float, alpha: float) -> Proof | None:
        """The laxest threshold at which at least `target` agrees, with the confidence `1 - alpha`."""
        agreed, disagreed = list(accumulate(self.agreed[:-1])), list(accumulate(self.disagreed[:-1]))
        found = levels(
            log_evidence(agreed, disagreed, target).tolist(), [alpha * part for part in self.grid.parts]
        )
        shown = [place for place, level in enumerate(found) if level]
        if not shown:
            return None
        place = shown[-1]
        return Proof(self.grid.scores[place], agreed[place], disagreed[place], found[place])

"""The compared answers that proofs rest on, counted between thresholds, and what they prove."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from distil_dag.stages.serving.proving.confidence_sequence import log_evidence, lower_bound
from distil_dag.stages.serving.proving.fallback import levels
from distil_dag.stages.serving.proving.thresholds import Thresholds


class Count(NamedTuple):
    """Answers that weigh the same, between the same thresholds.

    Attributes:
        weight: of each; see :func:`log_evidence`.
        place: the strictest threshold that they reach; the number of thresholds where they reach none.
        agreed: how many agree.
        disagreed: how many do not.
    """

    weight: float
    place: int
    agreed: int
    disagreed: int


@dataclass(frozen=True)
class Proof:
    """A threshold that is proved now.

    Attributes:
        threshold: the score.
        level: part of alpha by which it is proved.
        weights: of the answers at the threshold or above.
        agreed: for each weight, how many agree.
        disagreed: for each weight, how many do not.
    """

    threshold: float
    level: float
    weights: tuple[float, ...]
    agreed: tuple[int, ...]
    disagreed: tuple[int, ...]

    @property
    def answers(self) -> int:
        """Number of answers that it rests on."""
        return sum(self.agreed) + self.wrong

    @property
    def wrong(self) -> int:
        """Number of them that do not agree."""
        return sum(self.disagreed)

    @property
    def weight(self) -> float:
        """Of all of them: the number of a fair sample's answers that they stand for."""
        return float(np.dot(self.weights, self.agreed) + np.dot(self.weights, self.disagreed))

    @property
    def agreement(self) -> float:
        """Share of the weight that agrees."""
        return float(np.dot(self.weights, self.agreed)) / self.weight

    @property
    def bound(self) -> float:
        """At least this share of all answers at the threshold or above agrees, by the level."""
        return lower_bound(self.agreed, self.disagreed, 1 - self.level, self.weights)


class Evidence:
    """Compared answers, by the strictest threshold that each of them reaches, and by weight.

    Args:
        grid: the thresholds.
        counts: the answers so far.

    Raises:
        ValueError: for a count that the thresholds have no place for.
    """

    def __init__(self, grid: Thresholds, counts: Iterable[Count] = ()) -> None:
        self.grid = grid
        self._places = len(grid.scores) + 1
        # By weight: a row of those that agree by place, and one of those that do not.
        self._seen: dict[float, NDArray[np.int64]] = {}
        for weight, place, agreed, disagreed in counts:
            if not (0 < weight <= 1 and 0 <= place < self._places and min(agreed, disagreed) >= 0):
                raise ValueError(f"{self._places - 1} thresholds have no place for {weight, place, agreed}")
            self._rows(weight)[:, place] += (agreed, disagreed)

    @property
    def counts(self) -> list[Count]:
        """The answers so far, as the constructor takes them."""
        return [
            Count(weight, place, int(rows[0, place]), int(rows[1, place]))
            for weight, rows in self._seen.items()
            for place in range(self._places)
            if rows[:, place].any()
        ]

    @property
    def answers(self) -> int:
        """Number of answers."""
        return sum(int(rows.sum()) for rows in self._seen.values())

    @property
    def wrong(self) -> int:
        """Number of answers that do not agree."""
        return sum(int(rows[1].sum()) for rows in self._seen.values())

    @property
    def weight(self) -> float:
        """Of all answers."""
        return sum(weight * float(rows.sum()) for weight, rows in self._seen.items())

    def add(self, score: float, agreed: bool, weight: float = 1.0) -> None:
        """Count one answer."""
        self._rows(weight)[0 if agreed else 1, self.grid.place(score)] += 1

    def proved(self, target: float, alpha: float) -> Proof | None:
        """The laxest threshold at which at least `target` agrees, with the confidence `1 - alpha`."""
        if not self._seen:
            return None
        weights = np.array(list(self._seen))
        # By weight, whether they agree, and threshold.
        reached = np.stack(list(self._seen.values()))[:, :, :-1].cumsum(axis=2)
        found = levels(
            log_evidence(reached[:, 0], reached[:, 1], target, weights).tolist(),
            [alpha * part for part in self.grid.parts],
        )
        shown = [place for place, level in enumerate(found) if level]
        if not shown:
            return None
        place = shown[-1]
        agreed, disagreed = (tuple(reached[:, row, place].tolist()) for row in (0, 1))
        return Proof(self.grid.scores[place], found[place], tuple(self._seen), agreed, disagreed)

    def _rows(self, weight: float) -> NDArray[np.int64]:
        return self._seen.setdefault(weight, np.zeros((2, self._places), dtype=np.int64))

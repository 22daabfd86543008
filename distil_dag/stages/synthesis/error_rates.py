"""Where a student is weak, by rows that nobody learned from: error rates of cells, smoothed.

A cell has a handful of such rows, so its own rate says little. Each starts from the rate over all rows,
as if it had been seen in a few cases already (a beta prior), and its own cases move it from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from distil_dag.core.earlier_round import AnswerOutcome
from distil_dag.core.tool_call import ToolCall

# What all rows say of a cell weighs as much as so many cases of its own.
_PRIOR = 4.0
# Weak: four to one that the cell's rate lies above that of all rows.
_SURE = 0.8


class ErrorRates:
    """Error rates of one student by cell; `name` tells the cell of an answer's calls."""

    def __init__(self, outcomes: Sequence[AnswerOutcome], name: Callable[[Sequence[ToolCall]], str]) -> None:
        cells = [(name(outcome.calls), outcome.right) for outcome in outcomes]
        self.cases = Counter(cell for cell, _ in cells)
        self.wrong = Counter(cell for cell, right in cells if not right)
        # One case of each kind more, so that a student without a mistake is not taken for perfect.
        self.overall = (self.wrong.total() + 1) / (self.cases.total() + 2)

    def error(self, cell: str) -> float:
        """The mean of what the cell's error rate may be; that of all rows for a cell without any."""
        wrong, right = self._beta(cell)
        return wrong / (wrong + right)

    def weak(self, cell: str) -> bool:
        """Whether the cell's error rate is probably above that of all rows."""
        from scipy.stats import beta

        return bool(self.wrong[cell] and beta.sf(self.overall, *self._beta(cell)) >= _SURE)

    def _beta(self, cell: str) -> tuple[float, float]:
        wrong, cases = self.wrong[cell], self.cases[cell]
        return wrong + _PRIOR * self.overall, cases - wrong + _PRIOR * (1 - self.overall)

"""What the traces of a log add up to: tokens, money, scores, days."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from distil_dag.core.feedback import Feedback
from distil_dag.core.reports.intake import UsageReport

_DAY = len("2026-11-30")
_MOST_DAYS = 10_000


class Tally:
    """Adds up rows of traces."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._sums: Counter[str] = Counter()
        self._cost = 0.0
        self._days: Counter[str] = Counter()

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row of the table `traces`."""
        sums = self._sums
        if row["input_tokens"] is None:
            sums["characters"] += len(row["messages"])
            sums["answer_characters"] += len(row["calls"]) + len(row["text"])
        else:
            sums["counted"] += 1
            sums["input_tokens"] += row["input_tokens"]
            sums["output_tokens"] += row["output_tokens"] or 0
        if row["cost"] is not None:
            sums["priced"] += 1
            self._cost += row["cost"]
        if row["feedback"] != "[]":
            sums["scored"] += 1
            sums["scored_low"] += any(
                Feedback.model_validate(one).is_bad for one in json.loads(row["feedback"])
            )
        if row["time"] is not None and (len(self._days) < _MOST_DAYS or row["time"][:_DAY] in self._days):
            self._days[row["time"][:_DAY]] += 1

    def report(self) -> dict[str, Any]:
        """The fields of a report on the traces that this fills."""
        of_usage = {name: self._sums[name] for name in UsageReport.model_fields if name != "cost"}
        return {
            "usage": UsageReport(**of_usage, cost=self._cost),
            "scored": self._sums["scored"],
            "scored_low": self._sums["scored_low"],
            "days": dict(sorted(self._days.items())),
        }

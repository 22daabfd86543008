"""What the traces of a log add up to: tokens, money, scores, days."""

from __future__ import annotations

import json
from collections import Counter
from itertools import compress
from typing import Any

from distil_dag.adapters.logs.records.trace_rows import Columns
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

    def add(self, columns: Columns) -> None:
        """Add rows of the table `traces`."""
        sums, used = self._sums, columns["input_tokens"]
        counted = [given is not None for given in used]
        others = [given is None for given in used]
        sums["counted"] += sum(counted)
        sums["input_tokens"] += sum(compress(used, counted))
        sums["output_tokens"] += sum(got or 0 for got in compress(columns["output_tokens"], counted))
        sums["characters"] += sum(map(len, compress(columns["messages"], others)))
        for name in ("calls", "text"):
            sums["answer_characters"] += sum(map(len, compress(columns[name], others)))
        costs = [cost for cost in columns["cost"] if cost is not None]
        sums["priced"] += len(costs)
        self._cost = sum(costs, self._cost)
        for feedback in columns["feedback"]:
            if feedback != "[]":
                sums["scored"] += 1
                sums["scored_low"] += any(Feedback.model_validate(one).is_bad for one in json.loads(feedback))
        days = Counter(time[:_DAY] for time in columns["time"] if time is not None)
        for day, times in days.items():
            if len(self._days) < _MOST_DAYS or day in self._days:
                self._days[day] += times

    def report(self) -> dict[str, Any]:
        """The fields of a report on the traces that this fills."""
        of_usage = {name: self._sums[name] for name in UsageReport.model_fields if name != "cost"}
        return {
            "usage": UsageReport(**of_usage, cost=self._cost),
            "scored": self._sums["scored"],
            "scored_low": self._sums["scored_low"],
            "days": dict(sorted(self._days.items())),
        }

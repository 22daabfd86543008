"""What a run reads of an aggregator, and the lines that an agent logs there."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from distil_dag.adapters.logs.intake import QUARANTINE, TRACES, Intake
from distil_dag.adapters.logs.source import open_log
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.loaded_log import task_of


class Read(NamedTuple):
    """What a run has read."""

    traces: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    others: dict[str, int]

    @property
    def numbers(self) -> list[int]:
        """The arguments of all calls, in order."""
        return [json.loads(row["calls"])[0]["arguments"]["n"] for row in self.traces]


def read(source: dict[str, Any], run: str = "t.all") -> Read:
    """What a run of a source reads."""
    task, key = task_of(source), RunKey.parse(run)
    intake, log = Intake(task, key), open_log(task)
    rows: dict[str, list[Any]] = {TRACES: [], QUARANTINE: []}
    tables = [intake.read(log.records(page)) for page in log.pages(key)]
    for table in [*tables, intake.rest()]:
        for name, page in table.items():
            rows[name] += page.to_pylist()
    return Read(rows[TRACES], rows[QUARANTINE], intake.report().no_answers)


def call(number: int, **more: Any) -> dict[str, Any]:
    """A record of one call, as an agent logs it."""
    answer = {"role": "assistant", "tool_calls": [{"function": {"name": "on", "arguments": {"n": number}}}]}
    return {
        "request": {"messages": [{"role": "user", "content": f"Turn {number} on."}]},
        "response": {"choices": [{"message": answer}]},
        **more,
    }


def line(number: int, **more: Any) -> str:
    """A line of such a log."""
    return json.dumps(call(number, **more))

"""Records as real recorders wrote them, and what a log of some records gives."""

import json
from typing import Any, NamedTuple

from distil_dag.adapters.logs.intake import QUARANTINE, TRACES, Intake
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.core.case import Trace
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Settings, Task
from distil_dag.stages.reading.records_in import records_in
from distil_dag_tests.paths import ROOT

SAMPLES = ROOT / "distil_dag_tests" / "trace_samples"
LIGHT = {
    "type": "function",
    "function": {
        "name": "set_light",
        "parameters": {
            "type": "object",
            "properties": {"room": {"type": "string"}, "level": {"type": "integer"}},
        },
    },
}


class Log(NamedTuple):
    """What became of a log."""

    traces: list[Trace]
    quarantine: list[dict[str, Any]]
    report: TracesReport

    @property
    def calls(self) -> list[list[dict[str, Any]]]:
        return [[call.model_dump() for call in trace.calls] for trace in self.traces]

    @property
    def reasons(self) -> list[str]:
        return [row["reason"] for row in self.quarantine]


def intake() -> Intake:
    settings = Settings.model_validate({"name": "t", "traces": {"kind": "files", "path": "log.jsonl"}})
    task = Task(settings=settings, description="", tools=(LIGHT,), folder="")
    return Intake(task, RunKey.parse("t.all"))


def read_log(*values: Any, columnar: bool = False) -> Log:
    """What a log of these lines gives; `columnar`: of these rows of a table."""
    reading, found = intake(), []
    for number, value in enumerate(values, start=1):
        if columnar:
            found.append(RawRecord("log", f"row {number}", value, columnar=True))
            continue
        line = json.dumps(value).encode()
        for item, record in enumerate(records_in(json.loads(line)), start=1):
            found.append(RawRecord("log", f"line {number}, item {item}", record, line))
    rows: dict[str, list[Any]] = {TRACES: [], QUARANTINE: []}
    for table in (reading.read(found), reading.rest()):
        for name, page in table.items():
            rows[name] += page.to_pylist()
    return Log([Trace.from_row(row) for row in rows[TRACES]], rows[QUARANTINE], reading.report())


def sample(file: str, line: int) -> Any:
    return json.loads((SAMPLES / file).read_text(encoding="utf-8").splitlines()[line - 1])


def index() -> list[dict[str, Any]]:
    lines = (SAMPLES / "index.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]

"""What a look at a task's log shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.logs.survey.columns import TIMES
from distil_dag.adapters.logs.survey.head import Head
from distil_dag.core.reports.base import Report
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.task import Task
from distil_dag.core.tool_call import NO_CALL
from distil_dag.stages.reading.records import ReadRecord

Told = Callable[[int], None]


class Survey(Report):
    """What a log, or the beginning of it, holds.

    Attributes:
        task: name of the task.
        records: number of records taken from the log.
        whole: whether these are all.
        traces: what became of them.
        tool_versions: tool of the task -> different definitions in the requests; 0 where none defines it.
        other_tools: tools that requests define and the task has not.
        first: when the earliest trace was logged.
        last: when the latest trace was logged.
        without_time: traces without a time.
    """

    task: str
    records: int
    whole: bool
    traces: TracesReport
    tool_versions: dict[str, int]
    other_tools: list[str]
    first: datetime | None = None
    last: datetime | None = None
    without_time: int = 0

    @property
    def no_call_share(self) -> float:
        """The share of traces that call no tool."""
        return self.traces.calls_per_tool.get(NO_CALL, 0) / self.traces.kept if self.traces.kept else 0.0


def survey_of(task: Task, most: int, told: Told | None = None) -> Survey:
    """What the log of a task holds.

    Args:
        task: names the log and the tools.
        most: how many records are looked at; 0 for all.
        told: is told how many have been read.

    Raises:
        SourceError: the log can't be read.
    """
    times: list[datetime] = []
    without = 0

    def watch(_record: RawRecord, _identity: str, reading: ReadRecord) -> None:
        nonlocal times, without
        found = [trace.time for trace in reading.traces if trace.time]
        without += len(reading.traces) - len(found)
        if found:
            times = [min([*times, *found]), max([*times, *found])]

    head = Head(task, most, watch, TIMES)
    for _ in head.pages():
        if told:
            told(head.taken)
    traces = head.intake.report()
    versions = Counter(version.tool for version in traces.tool_versions)
    return Survey(
        task=task.name,
        records=head.taken,
        whole=head.is_whole,
        traces=traces,
        tool_versions={name: versions[name] for name in task.toolset.names},
        other_tools=[name for name in versions if name not in task.toolset],
        first=times[0] if times else None,
        last=times[-1] if times else None,
        without_time=without,
    )

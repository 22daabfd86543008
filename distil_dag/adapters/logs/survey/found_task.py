"""The task that a log shows: its tools, what its system prompts always say, its columns."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.logs.survey.columns import IDS, TIMES, Columns, time_of
from distil_dag.adapters.logs.survey.head import Head
from distil_dag.adapters.logs.survey.survey import Told
from distil_dag.adapters.system.environment import SourceError
from distil_dag.adapters.tasks.job_description import tool_mistakes
from distil_dag.core.sources import SqlSource, TraceSource, has_times
from distil_dag.core.task import Settings, Task
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.discovery.called import CalledTools
from distil_dag.stages.reading.discovery.requested import RequestedTools
from distil_dag.stages.reading.records import ReadRecord
from distil_dag.stages.student.context_split import SystemPrompts, split_of

NO_DESCRIPTION = "FILL IN: what the agent does, and for whom, in a sentence or two."
_LONGEST_DESCRIPTION = 20_000


@dataclass(frozen=True)
class FoundTask:
    """What a log shows of the task behind it.

    Attributes:
        task: the task, with the log's columns, tools and description.
        inferred: whether the tools are inferred from calls, since no request defines them.
        described: whether the description comes from the log.
        undefined: calls of tools that no request defines, by name, where others are defined.
        broken: tools whose definitions are no valid ones.
    """

    task: Task
    inferred: bool
    described: bool
    undefined: dict[str, int]
    broken: tuple[str, ...]


def found_task(source: TraceSource, name: str, most: int, told: Told | None = None) -> FoundTask:
    """The task that a log shows.

    Args:
        source: where the log is.
        name: the name of the task.
        most: how many records are looked at; 0 for all.
        told: is told how many have been read.

    Raises:
        SourceError: the log can't be read, or no record has a column that the source names.
    """
    missing = {column for column in (source.id_column, source.time_column) if column}
    requested, called, prompts, columns = RequestedTools(), CalledTools(), SystemPrompts(), Columns()

    def watch(record: RawRecord, _identity: str, reading: ReadRecord) -> None:
        if isinstance(record.value, dict):
            missing.difference_update(record.value)
            if reading.traces or not reading.problem:
                columns.add(record.value)
            time = reading.traces[0].time if reading.traces else None
            requested.add(record.value, time or time_of(record.value))
        for trace in reading.traces:
            called.add(trace.calls)
            prompts.add(trace)

    bare = _task(source, name, "", [])
    head = Head(bare, most, watch, (*TIMES, *IDS))
    for _ in head.pages():
        if told:
            told(head.taken)
    if head.taken and missing and not isinstance(source, SqlSource):
        raise SourceError(f"no record has the column {', '.join(sorted(missing))}")
    tools = requested.newest(_is_valid)
    inferred = not tools
    if inferred:
        tools = [tool for tool in called.definitions() if _is_valid(tool)]
    names = {tool["function"]["name"] for tool in tools}
    description = _constant(prompts, Toolset.from_openai(tools))
    return FoundTask(
        task=_task(_with_columns(source, columns, missing), name, description or NO_DESCRIPTION, tools),
        inferred=inferred,
        described=bool(description),
        undefined={name: count for name, count in called.calls.most_common() if name not in names},
        broken=tuple(name for name in requested.versions if name not in names),
    )


def _task(source: TraceSource, name: str, description: str, tools: list[dict[str, Any]]) -> Task:
    settings = Settings(name=name, traces=source)
    return Task(settings=settings, description=description, tools=tuple(tools), folder="")


def _with_columns(source: TraceSource, columns: Columns, missing: Set[str]) -> TraceSource:
    if isinstance(source, SqlSource):
        # A row may hold spans, which have times of their own and none of its columns.
        return source.model_copy(update={"time_column": None}) if source.time_column in missing else source
    if has_times(source):
        return source.model_copy(update={"id_column": source.id_column or columns.id})
    return source.model_copy(
        update={
            "id_column": source.id_column or columns.id,
            "time_column": source.time_column or columns.time,
        }
    )


def _is_valid(tool: dict[str, Any]) -> bool:
    return not tool_mistakes(tool)


def _constant(prompts: SystemPrompts, toolset: Toolset) -> str:
    """What nearly all system prompts say, block by block."""
    constant = set(split_of(prompts, toolset).constant)
    lines: list[str] = []
    for prompt in sorted(prompts.prompts, key=lambda prompt: -len(prompt.places)):
        for block in prompt.blocks:
            said = [part for part in block if part in constant]
            constant -= set(said)
            lines += [" ".join(said)] if said else []
    return "\n".join(lines)[:_LONGEST_DESCRIPTION].strip()

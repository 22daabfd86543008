"""One record of a log on its way: as it was logged, as it was read, what became of it."""

from __future__ import annotations

from typing import Any

from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.logs.survey.head import Head
from distil_dag.core.reports.base import Report
from distil_dag.core.task import Task
from distil_dag.stages.reading.records import ReadRecord
from distil_dag.stages.reading.redaction.excerpts import excerpt

_SOURCE, _SHOWN = 20_000, 2_000
_MOST = 20


class FoundCase(Report):
    """A trace that a record gave.

    Attributes:
        id: its id.
        turns: the turns before the answer, as OpenAI's chat API has them.
        answer: the answer, in the same form.
        problems: why its calls do not fit the tools.
        time: when it was logged, in ISO 8601.
    """

    id: str
    turns: list[dict[str, Any]]
    answer: dict[str, Any]
    problems: list[str]
    time: str | None


class RecordSteps(Report):
    """What a record went through.

    Attributes:
        source: file, table or dataset.
        position: line, row or id in it.
        id: its id; empty where it could not be told.
        raw: how it begins, without personal data.
        redacted: kind of personal data -> hits.
        cases: the traces that it gave.
        set_aside: why it, or the rest of it, was set aside; empty otherwise.
        no_answer: what it is, if it is no answer of a model; empty otherwise.
    """

    source: str
    position: str
    id: str
    raw: str
    redacted: dict[str, int]
    cases: list[FoundCase]
    set_aside: str = ""
    no_answer: str = ""


def record_steps(task: Task, wanted: str) -> list[RecordSteps]:
    """The steps of the records with an id, or at a place such as `line 7`; no more than 20.

    Args:
        task: names the log and the tools.
        wanted: the id of the record or of a trace of it, or its place.

    Raises:
        SourceError: the log can't be read.
    """
    found: list[RecordSteps] = []

    def watch(record: RawRecord, identity: str, reading: ReadRecord) -> None:
        ids = {identity, *(trace.id for trace in reading.traces)} - {""}
        if wanted in ids or wanted in (record.position, f"{record.source} {record.position}"):
            found.append(_steps(record, identity, reading))

    for _ in Head(task, 0, watch).pages():
        if found:
            break
    return found[:_MOST]


def _steps(record: RawRecord, identity: str, reading: ReadRecord) -> RecordSteps:
    raw = record.value if isinstance(record.value, dict) else record.raw
    cases = [
        FoundCase(
            id=trace.id,
            turns=[message.openai() for message in trace.messages],
            answer={
                "role": "assistant",
                "content": trace.text,
                "tool_calls": [call.model_dump() for call in trace.calls],
            },
            problems=list(trace.problems),
            time=trace.time.isoformat() if trace.time else None,
        )
        for trace in reading.traces
    ]
    return RecordSteps(
        source=excerpt(record.source),
        position=excerpt(record.position),
        id=identity,
        raw=excerpt(raw, _SHOWN, _SOURCE),
        redacted=dict(reading.redacted) if reading.traces else {},
        cases=cases,
        set_aside=str(reading.problem or ""),
        no_answer=reading.is_no_answer,
    )

"""The recorders, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from distil_dag.stages.reading.exports import batches
from distil_dag.stages.reading.fields import CONTENT
from distil_dag.stages.reading.recorders import (
    braintrust,
    langfuse,
    langsmith,
    litellm,
    openai_agents,
    rows,
    smolagents,
)
from distil_dag.stages.reading.recorders.outcome import OTHER, NoAnswer, is_content_off
from distil_dag.stages.reading.recorders.pairs import is_empty
from distil_dag.stages.reading.recorders.spans import registry as spans
from distil_dag.stages.reading.recorders.spans.span import Span
from distil_dag.stages.reading.strict_values import Unreadable

Record = Mapping[str, Any]


class Recorder(NamedTuple):
    """How the records of one recorder are told and read."""

    knows: Callable[[Record], bool]
    chat_record: Callable[[Record], dict[str, Any]]


RECORDERS = (
    Recorder(batches.knows, batches.chat_record),
    Recorder(openai_agents.knows, openai_agents.chat_record),
    Recorder(braintrust.knows, braintrust.chat_record),
    Recorder(langsmith.is_run, langsmith.run_record),
    Recorder(langsmith.is_start, langsmith.end_record),
    Recorder(langsmith.is_end, langsmith.end_record),
    Recorder(litellm.knows, litellm.chat_record),
    Recorder(smolagents.knows, smolagents.chat_record),
    Recorder(langfuse.knows, langfuse.chat_record),
    Recorder(rows.is_body, rows.body_record),
    Recorder(rows.is_completion, rows.completion_record),
    Recorder(rows.is_row, rows.chat_record),
)


def recorded(record: Record) -> dict[str, Any] | None:
    """The record in a form that `formats/` reads; None for a record of no recorder.

    Args:
        record: the record as it was logged.

    Raises:
        Unreadable: content is off, or can't be read.
        NoAnswer: it is no answer of a model.
    """
    for recorder in RECORDERS:
        if recorder.knows(record):
            return {"recorded_at": None, **recorder.chat_record(record)}
    if "resourceMetrics" in record:
        raise NoAnswer(OTHER)
    span = Span.of(record)
    if span is None:
        return None
    try:
        return spans.chat_record(span)
    except NoAnswer as answer:
        if answer.kind == OTHER and any(record.get(name) is not None for name in CONTENT):
            return None  # a record of a program that notes its own span
        raise
    except Unreadable as problem:
        if is_content_off(problem) and not any(is_empty(record.get(name)) for name in ("input", "output")):
            return None  # content stands beside the attributes
        raise

"""The columns of every table of a run: their types, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from distil_dag.core.tables import (
    ANSWERS,
    CALIBRATION,
    CONTEXT,
    ORIGINS,
    QUARANTINE,
    REJECTED,
    SEEDS,
    SPLIT,
    SYNTHETIC,
    TEST,
    TRACES,
    UNLABELLED,
    VERDICTS,
    Table,
)


@dataclass(frozen=True)
class Column:
    """A column of a Parquet file.

    Attributes:
        name: its name.
        holds: what it holds, as a sentence.
        type: type of its values; nested values are JSON in a string.
    """

    name: str
    holds: str
    type: Literal["string", "double", "int64", "bool"] = "string"


_REQUEST = Column("request", "Words of the last user turn.")
_CELL = Column("cell", "Cell of the coverage plan that the row fills. Empty if the row was not planned.")
_CASE = (
    Column("id", "Unique in this table."),
    Column("text", "Words of the answer beside its calls."),
    _REQUEST,
    Column("messages", "JSON: the turns before the answer, oldest first."),
    Column("calls", "JSON: the tool calls of the answer. Empty where no tool is called."),
)
_EXAMPLE = (
    *_CASE,
    Column("origin", "`seed`, `context` or `synthetic`."),
    _CELL,
)

COLUMNS: dict[Table, tuple[Column, ...]] = {
    TRACES: (
        *_CASE,
        Column("time", "When the request was logged, ISO 8601. Null without a time column."),
        Column("problems", "JSON: why the logged calls are not valid under the tools. Empty when they are."),
        Column("model", "Name of the model that answered in production."),
        Column("latency_ms", "Time of the logged answer in milliseconds.", "double"),
        Column("input_tokens", "Tokens of the request, as logged.", "int64"),
        Column("output_tokens", "Tokens of the answer, as logged.", "int64"),
        Column("cost", "What the answer cost, as logged; mostly in US dollars.", "double"),
        Column("feedback", "JSON: scores of people and programs, with the name of each."),
    ),
    QUARANTINE: (
        Column("source", "File, table or data set of the record."),
        Column("position", "Line, row or id of the record in its source."),
        Column("reason", "Category of what can't be read, which the report counts."),
        Column("detail", "The reason as a sentence."),
        Column("excerpt", "Beginning of the record, redacted."),
    ),
    TEST: (
        *_CASE,
        Column("production", "JSON: the calls of the old agent. Null where the log does not know them."),
    ),
    SEEDS: _EXAMPLE,
    CONTEXT: _EXAMPLE,
    CALIBRATION: _EXAMPLE,
    UNLABELLED: _CASE,
    VERDICTS: (
        Column("trace_id", "Id of the judged trace."),
        _REQUEST,
        Column("calls", "JSON: the logged calls."),
        Column("outcome", "`passed`, `rejected` or `unjudged`."),
        Column("score", "The judge's score from 0 to 1. Null where its answer could not be read.", "double"),
        Column("reason", "Category of the verdict, which the report counts."),
        Column("explanation", "The reason as a sentence."),
        Column("judge", "Identity of the judge."),
        Column("proposed", "JSON: calls that a committee put in place of the logged ones. Null without."),
        Column("relabelled_from", "JSON: the logged calls where `proposed` passed instead. Else null."),
        Column("proposals", "JSON: proposals of the committee, best first."),
        Column("arbiter", "Identity of who picked among the proposals."),
        Column("details", "JSON: further figures of the judge by name."),
        Column("passed", "Whether the trace may be learned from.", "bool"),
    ),
    SPLIT: (
        Column("id", "Id of a trace."),
        Column("part", "`test` for test cases and their near copies, `rest` for all others."),
    ),
    SYNTHETIC: _EXAMPLE,
    REJECTED: (
        Column("id", "Id of the rejected row."),
        _REQUEST,
        Column("calls", "JSON: the tool calls of the row."),
        _CELL,
        Column("reason", "Filter that rejected the row."),
        Column("detail", "The reason as a sentence."),
    ),
    ORIGINS: (
        Column("id", "Id of a row of `accepted` or `rejected`."),
        Column("made_from", "JSON: ids of the cases that it was made from, or that the teacher saw for it."),
    ),
    ANSWERS: (
        Column("candidate", "Name of the candidate that answered."),
        Column("case_id", "Id of the test case."),
        _REQUEST,
        Column("expected", "JSON: the right calls."),
        Column("answer", "The answer as the candidate wrote it."),
        Column("exact", "Whether the calls are right after normalisation.", "bool"),
        Column("probability", "Probability of the answer under the model. Null where not known.", "double"),
        Column("score", "What ranks the student's answer: natural log of that, less a doubt.", "double"),
        Column("confidence", "Calibrated chance that the answer is right. Null where not known.", "double"),
        Column("confident", "Whether the confidence reaches the threshold. Null where not known.", "bool"),
        Column("tool_call_equivalence", "1 where the calls are right after normalisation, else 0.", "double"),
        Column("binary_tool_call", "1 where the calls are equal as written, else 0.", "double"),
        Column("staged_tool_call", "A quarter each: readable call, name, argument names, values.", "double"),
        Column("function_name", "1 where the names of the tools are right, else 0.", "double"),
        Column("why", "What is wrong with the answer. Empty where it is right."),
    ),
}  # fmt: skip

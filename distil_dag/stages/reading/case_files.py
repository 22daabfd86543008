"""Files of cases, one JSON object a line: a task's `test.jsonl`, the cases of `distil-dag eval`.

Rows have the formats of traces (`messages`, `question` and `answer`, request and response), and
an empty `tool_calls` or `answer` says that no call is right. Unlike a log, a file of cases is
written by its user: what is wrong in it is said, line by line, and nothing wrong is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from distil_dag.core.case import Case
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.records import RecordReader
from distil_dag.stages.reading.strict_values import Unreadable, parse_json


class CaseProblem(NamedTuple):
    """What is wrong in one line, counted from 1."""

    line: int
    message: str


def read_cases(
    lines: Iterable[str | bytes], toolset: Toolset | None, origin: str = "case"
) -> tuple[list[Case], list[CaseProblem]]:
    """The cases of a file's lines, and every problem in them; blank lines count and say nothing.

    A case without an `id` is called `<origin>-<line>`. Calls are checked against the toolset, if
    there is one. Personal data is redacted as in traces, so that a case meets its copies there.
    """
    reader = RecordReader(toolset)
    cases: list[Case] = []
    problems: list[CaseProblem] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
            found = _cases_of(record, reader, f"{origin}-{number}")
        except Unreadable as error:
            problems.append(CaseProblem(number, str(error)))
            continue
        for case in found:
            if case.id in seen:
                said = f"the id {case.id!r} is already used in line {seen[case.id]}"
                problems.append(CaseProblem(number, said))
            else:
                seen[case.id] = number
                cases.append(case)
    return cases, problems


def _cases_of(record: Any, reader: RecordReader, default: str) -> list[Case]:
    if not isinstance(record, dict):
        raise Unreadable("wrong type", f"a case is a JSON object, not {type(record).__name__}")
    identity = record.get("id", default)
    if isinstance(identity, bool) or not isinstance(identity, (str, int)):
        raise Unreadable("wrong type", "`id` must be text or a whole number")
    reading = reader.read(record, str(identity))
    if reading.problem:
        raise reading.problem
    wrong = [problem for trace in reading.traces for problem in trace.problems]
    if wrong:
        raise Unreadable("the call does not fit the tools", "; ".join(wrong))
    if not reading.traces:
        raise Unreadable("no assistant turn", "nothing here answers a user's turn")
    return [
        Case(id=trace.id, messages=trace.messages, calls=trace.calls, text=trace.text)
        for trace in reading.traces
    ]

"""Files of cases: a task's `test.jsonl`, the cases of `distil-dag eval`.

A file holds one JSON object a line, or is a document of many: a list, an object with a list, objects
over several lines. Rows have the formats of traces, and an empty `tool_calls` or `answer` says that no call
is right. Unlike a log, a file of cases is written by its user: what is wrong in it is said, line by line, and
nothing wrong is kept.
"""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from distil_dag.core.case import Case
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.json_documents import is_document, read_document
from distil_dag.stages.reading.records import RecordReader
from distil_dag.stages.reading.records_in import records_in
from distil_dag.stages.reading.strict_values import Unreadable, parse_json

_HEAD_LINES = 200


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
    return cases_of(_records(lines), toolset, origin)


def cases_of(
    records: Iterable[tuple[int, Any]], toolset: Toolset | None, origin: str = "case"
) -> tuple[list[Case], list[CaseProblem]]:
    """The cases of numbered records, and every problem in them.

    Args:
        records: (line or row, the record or why it can't be read).
        toolset: what calls are checked against, if there is one.
        origin: a case without an `id` is called by it and by its number.
    """
    reader = RecordReader(toolset)
    cases: list[Case] = []
    problems: list[CaseProblem] = []
    seen: dict[str, int] = {}
    in_line: Counter[int] = Counter()
    for number, record in records:
        in_line[number] += 1
        place = f"{number}-{in_line[number]}" if in_line[number] > 1 else str(number)
        try:
            if isinstance(record, Unreadable):
                raise record
            found = _cases_of(record, reader, f"{origin}-{place}")
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


def _records(lines: Iterable[str | bytes]) -> Iterator[tuple[int, Any]]:
    """(line, record or why it can't be read) of everything in a file."""
    given = iter(lines)
    head = list(itertools.islice(given, _HEAD_LINES))
    if is_document(b"".join(map(_as_line, head))):
        rest = (_as_line(line) for line in itertools.chain(head, given))
        for element in read_document(io.BytesIO(b"".join(rest)).read):
            yield element.line, element.problem or element.value
        return
    for number, line in enumerate(itertools.chain(head, given), start=1):
        if not line.strip():
            continue
        try:
            found = records_in(parse_json(line))
        except Unreadable as problem:
            yield number, problem
            continue
        for record in found:
            yield number, record


def _as_line(line: str | bytes) -> bytes:
    """A line as bytes with its end, which a split text has lost."""
    line = line.encode(errors="surrogatepass") if isinstance(line, str) else line
    return line if line.endswith(b"\n") else line + b"\n"


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

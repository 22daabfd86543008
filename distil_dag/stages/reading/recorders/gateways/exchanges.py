"""The log of `distil-dag serve`: of each exchange the teacher's answer is read, whoever was heard.

A student that learned from its own answers would only grow surer of its mistakes. So what it answered alone
gives no trace, unless the teacher was asked too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.recorders.outcome import NoAnswer
from distil_dag.stages.reading.recorders.pairs import is_empty, parsed
from distil_dag.stages.reading.strict_values import Unreadable

ALONE = "an answer of the student alone, which nobody audited"
WITHHELD = "withheld"
"""Field of a body whose content could not be redacted, and is not kept: it says why."""
_WHO = ("student", "teacher")


def knows(record: Mapping[str, Any]) -> bool:
    """Whether a record is an exchange of a server of students."""
    return "tools_digest" in record and "answered_by" in record and "student" in record


def chat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of the teacher's answer, heard or not.

    Raises:
        Unreadable: it does not say who answered, or its content was not kept.
        NoAnswer: the teacher gave none.
    """
    who = record["answered_by"]
    if who not in _WHO:
        raise Unreadable("nobody answered", f"answered_by is neither of {' and '.join(_WHO)}")
    request = parsed(record.get("request"), "request")
    if isinstance(request, Mapping) and WITHHELD in request:
        raise Unreadable("content is not kept", str(request[WITHHELD]))
    is_heard = who == "teacher"
    response = record.get("response" if is_heard else "other")
    if not is_heard and is_empty(response):
        raise NoAnswer(ALONE)
    return {
        "request": request,
        "response": response,
        "model": record.get("teacher"),
        # Of an audit, the time is the student's.
        "latency_ms": record.get("latency_ms") if is_heard else None,
        "recorded_at": record.get("time"),
    }

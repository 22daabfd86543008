"""One exchange of a server: what was asked, who answered what, and why this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Exchange:
    """A request with its answer.

    Attributes:
        id: also the id of the response that was sent.
        time: when the request came, in UTC.
        task: name of the task.
        request: body in chat-completions form, with messages and tools.
        response: the chat completion that was sent; assembled, if it was streamed.
        answered_by: who was heard.
        why: reason of the route, by one of few fixed phrases.
        student: identity of the student's file.
        teacher: the teacher's model; None without one.
        tools_digest: digest of the request's tools.
        conversation: id of the conversation, where the caller names one.
        other: the chat completion of the one who was not heard, in its shadow or as an audit.
        agrees: whether student and teacher agree, where both answered.
        audited: whether the teacher was asked about what the student had answered alone.
        confidence: the student's confidence in its answer.
        latency_ms: time of the whole exchange in milliseconds.
        prompt_tokens: the teacher's tokens of the request.
        completion_tokens: the teacher's tokens of the answer.
        cost: the teacher's, in the price's currency.
    """

    id: str
    time: datetime
    task: str
    request: Mapping[str, Any]
    response: Mapping[str, Any]
    answered_by: Literal["student", "teacher"]
    why: str
    student: str
    teacher: str | None
    tools_digest: str
    conversation: str | None = None
    other: Mapping[str, Any] | None = None
    agrees: bool | None = None
    audited: bool = False
    confidence: float | None = None
    latency_ms: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None

    @property
    def of_teacher(self) -> Mapping[str, Any] | None:
        """The teacher's answer, heard or not; None where it was not asked."""
        return self.response if self.answered_by == "teacher" else self.other

    @property
    def of_student(self) -> Mapping[str, Any] | None:
        """The student's answer, heard or not; None where it gave none."""
        return self.response if self.answered_by == "student" else self.other


class ExchangeLog(Protocol):
    """Where exchanges are kept."""

    def put(self, exchange: Exchange) -> bool:
        """Take an exchange, without ever waiting.

        Returns:
            False where it was dropped, which is counted, because too many wait already.
        """
        ...

    @property
    def dropped(self) -> int:
        """How many exchanges were lost since the start."""
        ...

    def close(self) -> None:
        """Write what waits, then end."""
        ...

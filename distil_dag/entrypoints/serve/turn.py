"""One request on its way: to the student, to the teacher, or to both."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any

from fastapi.responses import Response

from distil_dag.adapters.serving.student import StudentAnswer
from distil_dag.adapters.serving.teacher import TeacherDown
from distil_dag.core.case import Message
from distil_dag.entrypoints.serve.background import Background
from distil_dag.entrypoints.serve.loaded import Loaded
from distil_dag.entrypoints.serve.metrics import Metrics
from distil_dag.entrypoints.serve.passing import TeacherStream, headers_of, marked
from distil_dag.entrypoints.serve.served import Served
from distil_dag.entrypoints.serve.settling import Settled, settle
from distil_dag.stages.serving.abilities import Refusal, read_messages, room, why_not, why_unheard
from distil_dag.stages.serving.completions import completion
from distil_dag.stages.serving.dialects import Dialect
from distil_dag.stages.serving.exchange import ExchangeLog
from distil_dag.stages.serving.refusals import ApiError

log = logging.getLogger(__name__)

_NOT_PROVED, _DOWN, _NO_TEACHER = "not proved yet", "teacher is down", "no teacher"
# Of answers that the student alone gives: an error of the request, or one of this moment.
_STATUS = {
    "student busy": 429,
    "student failed": 503,
    "cut off": 422,
    "invalid call": 422,
    "several calls": 422,
}


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes:
        body: as the client sent it.
        chat: the same as the body of a chat completion.
        content: what the teacher gets.
        dialect: in which form of the API it came.
        authorization: of the client, where the teacher gets it.
        conversation: id of the conversation; None where the client names none.
        time: when it came, in UTC.
        spent: called with the tokens that its answer used.
        started: the same on the clock that measures.
    """

    body: Mapping[str, Any]
    chat: Mapping[str, Any]
    content: bytes
    dialect: Dialect
    authorization: str | None
    conversation: str | None
    time: datetime
    spent: Callable[[float], None]
    started: float = field(default_factory=perf_counter)

    @property
    def streams(self) -> bool:
        """Whether the answer is to come in pieces."""
        return self.body.get("stream") is True


@dataclass(frozen=True)
class Desk:
    """What all requests of a server share."""

    metrics: Metrics
    background: Background
    log: ExchangeLog | None


class Turn:
    """Finds the answer to one request.

    The student that it begins with is the one that it ends with, whatever is swapped meanwhile.
    """

    def __init__(self, call: Call, served: Served, desk: Desk) -> None:
        self._call, self._served, self._desk = call, served, desk
        self._loaded: Loaded = served.student_for(call.chat, call.conversation)
        self._brought = self._loaded.check.of(call.chat.get("tools"))

    async def response(self) -> Response:
        """The answer to send.

        Raises:
            ApiError: there is none, and why.
        """
        with self._loaded.used():
            asked = self._ask_student()
            if isinstance(asked, Refusal):
                self._left(asked)
            if self._served.teacher is None:
                return await self._without_teacher(asked)
            if isinstance(asked, Refusal):
                return await self._teacher(asked.reason, None)
            if not self._loaded.policy.may_answer:
                return await self._teacher(_NOT_PROVED, asked)
            answer = await self._said(asked)
            if isinstance(answer, Refusal):
                return await self._teacher(answer.reason, None)
            if unheard := self._unheard(answer):
                self._left(unheard)
                return await self._teacher(unheard.reason, answer)
            decision = self._loaded.policy.decide(answer.score)
            if not decision.alone:
                return await self._teacher(decision.why, answer, decision.weight)
            return self._student(answer, decision.why, decision.audit, decision.weight)

    def _ask_student(self) -> asyncio.Future[StudentAnswer] | Refusal:
        if refusal := why_not(self._call.chat, self._brought):
            return refusal
        messages: tuple[Message, ...] | Refusal = read_messages(self._call.chat, self._loaded.student.tools)
        if isinstance(messages, Refusal):
            return messages
        settings = self._served.settings
        if self._loaded.waiting > settings.queue:
            return Refusal("student busy", f"{self._loaded.waiting} requests wait for the student")
        try:
            return self._loaded.submit(messages, room(self._call.chat, settings.max_tokens))
        except RuntimeError:
            return Refusal("student busy", "as many requests wait for the student as may wait")

    async def _said(self, future: asyncio.Future[StudentAnswer]) -> StudentAnswer | Refusal:
        """The student's answer, or why there is none, which is counted."""
        refusal: Refusal
        try:
            answer = await future
        except ValueError as error:
            refusal = Refusal("too long", f"the student does not read it: {error}")
        except Exception as error:
            log.warning("%s: the student failed: %s", self._served.name, type(error).__name__)
            refusal = Refusal("student failed", "the student failed; another try may do")
        else:
            self._desk.metrics.student(self._served.name, answer.milliseconds / 1000)
            return answer
        self._left(refusal)
        return refusal

    def _unheard(self, answer: StudentAnswer) -> Refusal | None:
        return why_unheard(answer.calls, answer.complete, self._call.chat, self._loaded.student.tools)

    async def _without_teacher(self, asked: asyncio.Future[StudentAnswer] | Refusal) -> Response:
        """The student's answer where nobody else is; that no tool fits is one too."""
        answer = asked if isinstance(asked, Refusal) else await self._said(asked)
        unheard = answer if isinstance(answer, Refusal) else self._unheard(answer)
        if unheard and not (isinstance(answer, StudentAnswer) and unheard.reason == "wants words"):
            status = _STATUS.get(unheard.reason, 400)
            raise ApiError(
                status,
                f"the student can't answer this, and no teacher is set: {unheard.detail}",
                code=unheard.reason.replace(" ", "_"),
                retry_after=1.0 if status in (429, 503) else None,
            )
        assert isinstance(answer, StudentAnswer)
        return self._student(answer, _NO_TEACHER, audit=False)

    def _student(self, answer: StudentAnswer, why: str, audit: bool, weight: float | None = None) -> Response:
        call, name = self._call, self._served.name
        said = completion(
            answer.calls,
            created=int(call.time.timestamp()),
            model=str(call.body.get("model")),
            identity=self._loaded.student.identity,
            tokens=(answer.decoded.asked, len(answer.decoded.tokens)),
        )
        settled = Settled("student", why, said, answer=answer, audited=audit, weight=weight)
        self._settle(settled)
        self._desk.metrics.began(name, "student", self._seconds())
        headers = marked("student", why)
        if call.streams:
            content = b"".join(call.dialect.stream(said, call.body))
            return Response(content, headers=headers, media_type="text/event-stream")
        content = json.dumps(call.dialect.whole(said, call.body), ensure_ascii=False).encode()
        return Response(content, headers=headers, media_type="application/json")

    async def _teacher(
        self,
        why: str,
        student: asyncio.Future[StudentAnswer] | StudentAnswer | None,
        weight: float | None = None,
    ) -> Response:
        """The teacher's answer as it comes, or the student's where that is down and this is allowed."""
        call, teacher = self._call, self._served.teacher
        assert teacher is not None
        alone = self._served.settings.alone_without_teacher and student is not None
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(
                    teacher.ask(call.dialect.path, call.content, call.authorization)
                )
            except TeacherDown as down:
                if alone and (own := await self._in_its_place(student)):
                    return own
                raise ApiError(
                    503, f"{down}; try again later", code="teacher_down", retry_after=down.retry_after
                ) from None
            failed = response.status_code >= 500
            if failed and alone and (own := await self._in_its_place(student)):
                return own
            headers = headers_of(response) | marked("teacher", why)
            streamed = headers.get("content-type", "").startswith("text/event-stream")
            settled = Settled("teacher", why, {}, answer=student, weight=weight)
            if response.status_code < 400 and streamed:
                release = self._loaded.hold()
                return TeacherStream(
                    response,
                    headers,
                    stack.pop_all(),
                    began=lambda: self._desk.metrics.began(self._served.name, "teacher", self._seconds()),
                    complete=lambda body: self._heard(settled, body, streamed=True),
                    gone=self._desk.metrics.disconnected,
                    ended=release,
                )
            body = await self._whole(response)
            if response.status_code < 400:
                self._desk.metrics.began(self._served.name, "teacher", self._seconds())
                self._heard(settled, body, streamed=False)
            return Response(body, response.status_code, headers)

    async def _whole(self, response: Any) -> bytes:
        import httpx2

        try:
            return bytes(await response.aread())
        except httpx2.TransportError as error:
            said = f"the teacher broke off its answer ({type(error).__name__})"
            raise ApiError(502, said, code="teacher_failed") from None

    async def _in_its_place(
        self, student: asyncio.Future[StudentAnswer] | StudentAnswer | None
    ) -> Response | None:
        assert student is not None
        answer = student if isinstance(student, StudentAnswer) else await self._said(student)
        if isinstance(answer, Refusal) or self._unheard(answer):
            return None
        return self._student(answer, _DOWN, audit=False)

    def _heard(self, settled: Settled, body: bytes, streamed: bool) -> None:
        """Settle an exchange that the teacher answered; one that can't be read is counted and not kept."""
        found = self._call.dialect.completion(body, streamed)
        if found is None:
            log.warning("%s: an answer of the teacher can't be read, so it is not kept", self._served.name)
            self._desk.metrics.answered(self._served.name, "teacher", settled.why)
            return
        settled.response = settled.teacher = found
        self._settle(settled)

    def _settle(self, settled: Settled) -> None:
        settled.seconds = self._seconds()
        candidate = self._served.candidate
        if candidate and candidate.loaded is self._loaded:
            candidate.count(alone=settled.by == "student")
            self._desk.metrics.canary(self._served.name, settled.by)
        self._desk.metrics.answered(self._served.name, settled.by, settled.why)
        self._desk.metrics.ended(self._served.name, settled.by, settled.seconds)
        release = self._loaded.hold()
        self._desk.background.spawn(
            settle(settled, self._call, self._served, self._loaded, self._brought.digest, self._desk, release)
        )

    def _left(self, refusal: Refusal) -> None:
        self._desk.metrics.left(self._served.name, refusal.reason)

    def _seconds(self) -> float:
        return perf_counter() - self._call.started

"""What an exchange leaves behind once its answer is sent: evidence, a log entry, figures."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from distil_dag.adapters.serving.student import StudentAnswer
from distil_dag.adapters.serving.teacher import TeacherDown
from distil_dag.entrypoints.serve.candidate import Candidate
from distil_dag.entrypoints.serve.loaded import Loaded
from distil_dag.entrypoints.serve.metrics import cost_of
from distil_dag.entrypoints.serve.served import Served
from distil_dag.stages.serving.abilities import Refusal, read_messages, room, why_not, why_unheard
from distil_dag.stages.serving.agreement import agrees
from distil_dag.stages.serving.completions import completion
from distil_dag.stages.serving.exchange import Exchange

if TYPE_CHECKING:
    from distil_dag.entrypoints.serve.turn import Call, Desk

log = logging.getLogger(__name__)


@dataclass
class Settled:
    """An exchange whose answer is sent.

    Attributes:
        by: who was heard.
        why: the reason.
        response: the chat completion that was sent.
        answer: the student's, which may still be to come; None where it was not asked.
        teacher: the teacher's chat completion; None where it was not asked.
        audited: whether the teacher is still to be asked.
        weight: what the policy said of the student's answer; None where it was not asked.
        seconds: until all of the answer was there.
    """

    by: Literal["student", "teacher"]
    why: str
    response: Mapping[str, Any]
    answer: asyncio.Future[StudentAnswer] | StudentAnswer | None = None
    teacher: Mapping[str, Any] | None = None
    audited: bool = False
    weight: float | None = None
    seconds: float = 0.0


async def settle(
    settled: Settled,
    call: Call,
    served: Served,
    loaded: Loaded,
    digest: str,
    desk: Desk,
    release: Callable[[], None],
) -> None:
    """Compare, learn and keep.

    Args:
        settled: what was sent.
        call: the request.
        served: the task.
        loaded: the student that the exchange began with.
        digest: of the request's tools.
        desk: counters and log.
        release: called at the end: the student is not needed any more.
    """
    try:
        answer = await _waited_for(settled.answer)
        unheard = (
            why_unheard(answer.calls, answer.complete, call.chat, loaded.student.tools) if answer else None
        )
        if settled.by == "teacher" and unheard:
            settled.why = unheard.reason
        if settled.audited:
            settled.teacher = await _audit(call, served)
        teacher, agreement = settled.teacher, None
        if answer and answer.complete and teacher is not None:
            agreement = agrees(answer.calls, teacher, loaded.student.tools)
            if served.candidate and served.candidate.loaded is loaded:
                _compared(served, served.candidate, agreement, desk)
            else:
                desk.metrics.agreement(served.name, agreement, settled.audited)
            if agreement is not None and unheard is None and not loaded.retired:
                _learn(loaded, served.name, answer.score, agreement, settled)
        used = _tokens(teacher)
        cost = cost_of(served.teacher.price, used) if served.teacher and teacher else None
        if teacher is not None:
            desk.metrics.spent(served.name, used, cost)
        call.spent(sum(_tokens(settled.response)[place] or 0 for place in (0, 1)))
        other = teacher if settled.by == "student" else _student_completion(answer, call, loaded)
        if desk.log is not None:
            desk.log.put(
                Exchange(
                    id=_identity(settled),
                    time=call.time,
                    task=served.name,
                    request=call.chat,
                    response=settled.response,
                    answered_by=settled.by,
                    why=settled.why,
                    student=loaded.student.identity,
                    teacher=_model(served, teacher),
                    tools_digest=digest,
                    conversation=call.conversation,
                    other=other,
                    agrees=agreement,
                    audited=settled.audited and teacher is not None,
                    confidence=answer.confidence if answer else None,
                    latency_ms=1000 * settled.seconds,
                    prompt_tokens=used[0],
                    completion_tokens=used[1],
                    cost=cost,
                )
            )
        await _shadow(settled, call, served, loaded, desk)
    finally:
        release()


def _learn(loaded: Loaded, task: str, score: float, agreed: bool, settled: Settled) -> None:
    try:
        loaded.policy.learn(score, agreed, settled.audited, settled.weight)
    except OSError as error:
        log.error("%s: what the student has proved can't be kept: %s", task, error)


async def _waited_for(answer: asyncio.Future[StudentAnswer] | StudentAnswer | None) -> StudentAnswer | None:
    if not isinstance(answer, asyncio.Future):
        return answer
    with suppress(Exception):  # counted where it was asked for, or no evidence
        return await answer
    return None


async def _audit(call: Call, served: Served) -> Mapping[str, Any] | None:
    """The teacher's answer to what the student has answered alone; None where it gives none."""
    import httpx2

    assert served.teacher is not None
    try:
        async with served.teacher.ask(call.dialect.path, call.content, call.authorization) as response:
            body = await response.aread()
    except (TeacherDown, httpx2.TransportError):
        return None
    return call.dialect.completion(body, call.streams) if response.status_code < 400 else None


async def _shadow(settled: Settled, call: Call, served: Served, loaded: Loaded, desk: Desk) -> None:
    """Ask the task's candidate, and compare it with the teacher, or with what was sent."""
    candidate = served.candidate
    if candidate is None or candidate.loaded is loaded or candidate.loaded.waiting > served.settings.queue:
        return
    shadow = candidate.loaded
    if why_not(call.chat, shadow.check.of(call.chat.get("tools"))):
        return
    messages = read_messages(call.chat, shadow.student.tools)
    if isinstance(messages, Refusal):
        return
    answer = await _waited_for(shadow.submit(messages, room(call.chat, served.settings.max_tokens)))
    if answer is not None and answer.complete:
        expected = settled.teacher or settled.response
        _compared(served, candidate, agrees(answer.calls, expected, shadow.student.tools), desk)


def _compared(served: Served, candidate: Candidate, agreed: bool | None, desk: Desk) -> None:
    candidate.compare(agreed)
    desk.metrics.shadow(served.name, agreed)


def _student_completion(answer: StudentAnswer | None, call: Call, loaded: Loaded) -> Mapping[str, Any] | None:
    if answer is None:
        return None
    tokens = answer.decoded.asked, len(answer.decoded.tokens)
    said = completion(
        answer.calls,
        created=int(call.time.timestamp()),
        model=loaded.student.identity,
        identity=loaded.student.identity,
        tokens=tokens,
    )
    if not answer.complete:
        said["choices"][0]["finish_reason"] = "length"
    return said


def _identity(settled: Settled) -> str:
    """The id of the response; of a teacher's with a part of its own, since some servers give one id twice."""
    own = settled.response.get("id")
    if settled.by == "student":
        return str(own)
    return f"{own or 'chatcmpl'}-{secrets.token_hex(4)}"


def _model(served: Served, teacher: Mapping[str, Any] | None) -> str | None:
    if served.teacher is None:
        return None
    return str((teacher or {}).get("model") or served.teacher.model or "")


def _tokens(teacher: Mapping[str, Any] | None) -> tuple[int | None, int | None]:
    usage = (teacher or {}).get("usage")
    if not isinstance(usage, Mapping):
        return None, None
    found = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    prompt, answer = (n if isinstance(n, int) else None for n in found)
    return prompt, answer

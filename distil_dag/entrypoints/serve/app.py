"""The application: OpenAI's routes over students and their teachers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from distil_dag.core.serving import strictest
from distil_dag.entrypoints.serve.background import Background
from distil_dag.entrypoints.serve.forms import CHAT_FORM, ERRORS, RESPONSES_FORM
from distil_dag.entrypoints.serve.guard import CALLER, Guard
from distil_dag.entrypoints.serve.metrics import Metrics
from distil_dag.entrypoints.serve.naming import Names
from distil_dag.entrypoints.serve.served import Served
from distil_dag.entrypoints.serve.turn import Call, Desk, Turn
from distil_dag.stages.reading.strict_values import Unreadable, parse_json
from distil_dag.stages.serving.dialects import Chat, Dialect
from distil_dag.stages.serving.exchange import ExchangeLog
from distil_dag.stages.serving.refusals import ApiError
from distil_dag.stages.serving.responses import Responses

_DRAIN_SECONDS = 60.0
_CONVERSATION = ("x-conversation-id", "x-session-id")
_CONVERSATION_KEYS = ("conversation_id", "session_id", "thread_id")

log = logging.getLogger(__name__)


class Gateway:
    """A server of some tasks.

    Args:
        served: the tasks, opened.
        log: where exchanges are kept; None for nowhere.
        tokens: of those who may ask; empty for everyone who reaches the address.
    """

    def __init__(
        self, served: Sequence[Served], log: ExchangeLog | None = None, tokens: Sequence[str] = ()
    ) -> None:
        self.served, self.log = list(served), log
        self.names = Names(self.served)
        self.metrics = Metrics()
        self.background = Background()
        self._refreshing = asyncio.Lock()
        self._trouble: dict[str, str] = {}
        self._watch(self.metrics)
        self.api = FastAPI(title="distil_dag", lifespan=self._lifespan, docs_url=None, redoc_url=None)
        self._add_routes(self.api)
        limits = strictest([one.settings.limits for one in self.served])
        self._guard = Guard(self.api, limits, tokens, self.metrics)

    @property
    def app(self) -> ASGIApp:
        """What a server runs."""
        return self._guard

    async def refresh(self) -> None:
        """Look whether tasks have other students by now; one that can't be loaded leaves the old one."""
        for one in self.served:
            await self._refresh(one)

    async def _refresh(self, one: Served) -> None:
        async with self._refreshing:
            said = ""
            try:
                if await one.refresh():
                    self.metrics.swapped(one.name, "done")
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
            # Looks come every few seconds, and a trouble that lasts is told once.
            if said and said != self._trouble.get(one.name):
                self.metrics.swapped(one.name, "failed")
                log.error("%s: the old student stays: %s", one.name, said)
            self._trouble[one.name] = said

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        watching = [asyncio.create_task(self._look(one)) for one in self.served]
        try:
            yield
        finally:
            for task in watching:
                task.cancel()
            if left := await self.background.drain(_DRAIN_SECONDS):
                log.warning("%d exchanges were not settled in %g seconds", left, _DRAIN_SECONDS)
            for one in self.served:
                await one.close()
            if self.log is not None:
                await asyncio.to_thread(self.log.close)

    async def _look(self, one: Served) -> None:
        while True:
            await asyncio.sleep(one.settings.reload_seconds)
            await self._refresh(one)

    def _proved(self, figure: str, by_candidate: bool = False) -> dict[tuple[str, ...], float]:
        beside = {(one.name,): one.candidate.loaded for one in self.served if one.candidate}
        students = beside if by_candidate else {(one.name,): one.current for one in self.served}
        found = {task: student.policy.standing for task, student in students.items()}
        figures = {task: getattr(standing, figure) for task, standing in found.items() if standing}
        return {task: value for task, value in figures.items() if value is not None}

    def _add_routes(self, api: FastAPI) -> None:
        @api.get("/health")
        async def health() -> dict[str, Any]:
            return {"status": "ok", "tasks": [one.name for one in self.served]}

        @api.get("/metrics", response_class=Response)
        async def metrics() -> Response:
            return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

        @api.get("/v1/models", responses=ERRORS)
        async def models() -> dict[str, Any]:
            return {"object": "list", "data": [_model(one) for one in self.served]}

        @api.get("/v1/models/{name:path}", responses=ERRORS)
        async def model(name: str) -> dict[str, Any]:
            return _model(self.names.exactly(name))

        @api.post("/v1/chat/completions", responses=ERRORS, openapi_extra=CHAT_FORM)
        async def chat(request: Request) -> Response:
            return await self._answer(request, Chat())

        @api.post("/v1/responses", responses=ERRORS, openapi_extra=RESPONSES_FORM)
        async def responses(request: Request) -> Response:
            return await self._answer(request, Responses())

        api.add_exception_handler(ApiError, _api_error)
        api.add_exception_handler(HTTPException, _http_error)
        api.add_exception_handler(RequestValidationError, _invalid)
        api.add_exception_handler(Exception, _unexpected)

    async def _answer(self, request: Request, dialect: Dialect) -> Response:
        content = await request.body()
        body = _object(content)
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise ApiError(400, "model must be the name of a task or of its teacher", param="model")
        if not isinstance(body.get("stream", False), (bool, type(None))):
            raise ApiError(400, "stream must be true or false", param="stream")
        chat = dialect.chat(body)
        served = self.names.of(model, chat)
        teacher = served.teacher
        if teacher and teacher.model and teacher.model != model and self.names.is_ours(model):
            content = json.dumps({**body, "model": teacher.model}, ensure_ascii=False).encode(
                errors="replace"
            )
        call = Call(
            body=body,
            chat=chat,
            content=content,
            dialect=dialect,
            authorization=request.headers.get("authorization", "")
            if served.settings.forward_authorization
            else None,
            conversation=_conversation(request, body),
            time=datetime.now(UTC),
            spent=self._spending(request),
        )
        turn = Turn(call, served, Desk(self.metrics, self.background, self.log))
        return await self._unless_gone(request, turn)

    def _spending(self, request: Request) -> Any:
        rate, caller = self._guard.spending, request.scope.get(CALLER, "")
        return (lambda tokens: rate.take(caller, tokens)) if rate else (lambda tokens: None)

    async def _unless_gone(self, request: Request, turn: Turn) -> Response:
        """The answer; a client that leaves before ends the search for it."""
        work = asyncio.create_task(turn.response())
        leaving = asyncio.create_task(_left(request))
        try:
            await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            self.metrics.disconnected()
            return Response(status_code=499)  # nobody reads it
        finally:
            leaving.cancel()
            work.cancel()

    def _watch(self, metrics: Metrics) -> None:
        metrics.watch(
            "teacher_up",
            "Whether calls are sent to the teacher now.",
            lambda: {(one.name,): float(one.teacher.is_up) for one in self.served if one.teacher},
            "task",
        )
        standings = {
            "proved_coverage": ("Share of requests that the student may answer alone.", "coverage"),
            "proved_agreement": ("At least this share of them agrees with the teacher.", "bound"),
        }
        for name, (told, figure) in standings.items():
            metrics.watch(name, told, partial(self._proved, figure), "task")
            metrics.watch(
                f"canary_{name}", f"Of the candidate: {told}", partial(self._proved, figure, True), "task"
            )
        metrics.watch(
            "student_waiting",
            "Requests that the student has still to answer.",
            lambda: {(one.name,): float(one.current.waiting) for one in self.served},
            "task",
        )
        metrics.watch(
            "student_info",
            "The student that answers now.",
            lambda: {(one.name, one.current.student.identity): 1.0 for one in self.served},
            "task",
            "identity",
        )
        metrics.watch(
            "exchanges_dropped",
            "Exchanges that are not in the log, because too many waited.",
            lambda: {(): float(self.log.dropped)} if self.log else {},
        )


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        body = parse_json(content)
    except Unreadable as problem:
        raise ApiError(400, f"the body is no JSON that can be read: {problem.reason}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "the body must be a JSON object")
    return body


def _conversation(request: Request, body: Mapping[str, Any]) -> str | None:
    metadata = body.get("metadata")
    named = [metadata.get(key) for key in _CONVERSATION_KEYS] if isinstance(metadata, Mapping) else []
    named += [request.headers.get(name) for name in _CONVERSATION]
    return next((value for value in named if isinstance(value, str) and value), None)


def _model(one: Served) -> dict[str, Any]:
    return {"id": one.name, "object": "model", "created": one.since, "owned_by": "distil_dag"}


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body, error.status, error.headers)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(ApiError(error.status_code, str(error.detail)).body, error.status_code, error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    return JSONResponse(ApiError(400, "the request is not what this route takes").body, 400)


async def _unexpected(_: Request, error: Exception) -> Response:
    # Its words may be a client's.
    log.error("a request failed: %s", type(error).__name__)
    return JSONResponse(ApiError(500, "the server failed").body, 500)

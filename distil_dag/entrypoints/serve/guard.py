"""What a request must pass before anything reads it: name, origin, token, rate, size, patience."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from hmac import compare_digest
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from distil_dag.core.serving import LimitSpec
from distil_dag.entrypoints.pages import LOOPBACK
from distil_dag.entrypoints.serve.metrics import Metrics
from distil_dag.entrypoints.serve.rates import Rate
from distil_dag.stages.serving.refusals import ApiError

# For those who look whether the server is there, and know no token.
OPEN = "/health"
# A browser can't send a bearer token, but asks for a password. It sends that unasked later, whichever site a
# request comes from, so it opens nothing but what is only read.
_BROWSED = ("/", "/page.json")
CALLER = "distil_dag.caller"


class Guard:
    """Refuses requests with an error in OpenAI's form, and bounds what a slow client can hold.

    Args:
        app: what is guarded.
        limits: how much clients may ask for.
        tokens: of those who may ask; empty where everyone may who reaches the address.
        metrics: counts refusals.
    """

    def __init__(self, app: ASGIApp, limits: LimitSpec, tokens: Sequence[str], metrics: Metrics) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics
        self._tokens = [hashlib.sha256(token.encode()).digest() for token in tokens]
        self._in_flight = 0
        per_minute, tokens_per_minute = limits.requests_per_minute, limits.tokens_per_minute
        self._requests = Rate(per_minute, time.monotonic) if per_minute else None
        self.spending = Rate(tokens_per_minute, time.monotonic) if tokens_per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = _Answer(send, self._limits.slow_seconds)
        try:
            headers = Headers(scope=scope)
            caller = self._known(scope, headers)
            scope[CALLER] = caller
            if scope["path"] == OPEN:
                await self._app(scope, receive, state.send)
                return
            self._check_pace(caller)
            body = _Body(receive, self._limits, headers)
            self._in_flight += 1
            self._metrics.in_flight.set(self._in_flight)
            try:
                await self._app(scope, body.receive, state.send)
            finally:
                self._in_flight -= 1
                self._metrics.in_flight.set(self._in_flight)
        except ApiError as error:
            if not state.started:
                await _refuse(error, state.send)
        except Exception:
            # Told already, without its words: uvicorn would log them, and they may be a client's.
            if not state.started or os.environ.get("DISTIL_DAG_DEBUG") == "1":
                raise
        finally:
            if state.status >= 400:
                self._metrics.refused(state.status)

    def _known(self, scope: Scope, headers: Headers) -> str:
        """Who asks: the digest of a token, or an address.

        Raises:
            ApiError: it may not.
        """
        client = scope.get("client")
        address = str(client[0]) if client else ""
        if scope["path"] == OPEN:
            return address
        if not self._tokens:
            # A page of another site in the user's browser reaches loopback too, under its own name.
            if _host(f"//{headers.get('host', '')}") not in LOOPBACK:
                raise ApiError(421, "without tokens this server answers under a loopback name only")
            if "origin" in headers and _host(headers["origin"]) not in LOOPBACK:
                raise ApiError(403, "requests of pages of another site are refused", "foreign_origin")
            return address
        is_browsed = scope["path"] in _BROWSED and scope["method"] in ("GET", "HEAD")
        given = hashlib.sha256(_token(headers.get("authorization", ""), is_browsed)).digest()
        # All of them are compared, so that the time tells nothing.
        same = [compare_digest(given, known) for known in self._tokens]
        if not any(same):
            how = "log in with a token as the password" if is_browsed else "Authorization: Bearer TOKEN"
            asked = 'Basic realm="distil_dag", charset="UTF-8"' if is_browsed else "Bearer"
            raise ApiError(
                401, f"a valid token is needed: {how}", "invalid_api_key", headers={"www-authenticate": asked}
            )
        return given.hex()

    def _check_pace(self, caller: str) -> None:
        if self._in_flight >= self._limits.in_flight:
            raise ApiError(
                429, f"{self._limits.in_flight} requests are under way already", "too_many", retry_after=1.0
            )
        for rate, what in ((self._requests, "requests"), (self.spending, "tokens")):
            if rate is not None and (wait := rate.wait(caller)):
                raise ApiError(429, f"too many {what} a minute", "rate_limit_exceeded", retry_after=wait)
        if self._requests is not None:
            self._requests.take(caller, 1.0)


class _Body:
    """The body of a request, up to a size, within a time."""

    def __init__(self, receive: Receive, limits: LimitSpec, headers: Headers) -> None:
        self._receive, self._most, self._seconds = receive, limits.body_bytes, limits.slow_seconds
        self._read, self._ended = 0, False
        self._until = time.monotonic() + limits.slow_seconds
        said = headers.get("content-length", "0")
        if said.isdecimal() and int(said) > self._most:
            raise self._too_large()

    async def receive(self) -> Message:
        if self._ended:  # then it waits for the client to leave
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise ApiError(408, f"the request did not come within {self._seconds:g} seconds") from None
        self._read += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._read > self._most:
            raise self._too_large()
        return message

    def _too_large(self) -> ApiError:
        return ApiError(413, f"a request has {self._most} bytes at most", "request_too_large")


class _Answer:
    """The answer to a client, each part of which it must take within a time."""

    def __init__(self, send: Send, seconds: float) -> None:
        self._send, self._seconds = send, seconds
        self.started, self.status = False, 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, int(message["status"])
        async with asyncio.timeout(self._seconds):
            await self._send(message)


async def _refuse(error: ApiError, send: Send) -> None:
    body = json.dumps(error.body).encode()
    # What is left of the body is not read, so the connection can't go on.
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **error.headers,
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _token(authorization: str, may_be_password: bool) -> bytes:
    """The token that a header gives, which is no known one where it gives none."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip().encode()
    if scheme.lower() == "basic" and may_be_password:
        with suppress(ValueError):
            return base64.b64decode(given.strip(), validate=True).partition(b":")[2]
    return b""


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""

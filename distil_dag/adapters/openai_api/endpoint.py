"""One address of a served model: its connections, what it can do, and whether it can take a call now."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from openai import APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

from distil_dag.adapters.openai_api.circuit_breaker import Circuit, CircuitBreaker
from distil_dag.adapters.openai_api.concurrency_limit import CallLimit
from distil_dag.adapters.openai_api.engines import Engine, engine_of
from distil_dag.adapters.openai_api.errors import OVERLOAD, PASSING, Fault, FaultKind, read_fault
from distil_dag.adapters.openai_api.wire import read_reply, request_body
from distil_dag.core.case import Message
from distil_dag.stages.ports import Prompt

Result = TypeVar("Result")

_CONNECT_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """Seconds to wait for a server, and how often a call is tried.

    `known` and `unknown` are for a server that has answered before (it may be starting again, with a
    large model) and one that never has (its address may be wrong).
    """

    known: float = 900.0
    unknown: float = 120.0
    shortest_wait: float = 0.5
    longest_wait: float = 30.0
    tries: int = 4
    # What whoever keeps the server knows of it, asked while it is down (will it stay away?) and after an
    # error of its own (is it about to end?). Of a service nobody does.
    is_gone: Callable[[], bool] = lambda: False
    is_dying: Callable[[], bool] = lambda: False


class Endpoint:
    """Lets calls to one address through as far as its limit, its circuit and its own wishes allow.

    They go by the proxy that the environment names, unless the address is one of this machine (`here`).
    All of it runs in one event loop, so nothing here is locked.
    """

    def __init__(
        self,
        address: str,
        model: str,
        key: str,
        ceiling: int,
        timeout: float,
        patience: Patience,
        here: bool = False,
    ) -> None:
        self.address = address
        self.model = model
        self.limit = CallLimit(ceiling, timeout)
        self.breaker = CircuitBreaker(patience.shortest_wait, patience.longest_wait)
        self.in_flight = 0
        self.rests_until = 0.0
        self.last_fault: Fault | None = None
        self._key = key
        self._timeout = timeout
        self._patience = patience
        self._here = here
        self._answered = False
        self._alone = False
        self._incident_at = -1.0
        self._died_at: float | None = None
        self._engine: Engine | None = None
        self._asking_engine = asyncio.Lock()
        self._client: AsyncOpenAI | None = None

    @property
    def client(self) -> AsyncOpenAI:
        """The SDK's client, made anew after :meth:`close`."""
        if self._client is None:
            # The SDK's own tries would hide from us what the server says.
            timeout = Timeout(self._timeout, connect=min(self._timeout, _CONNECT_SECONDS))
            key = self._key or "none"
            self._client = AsyncOpenAI(
                api_key=key,
                base_url=self.address,
                timeout=timeout,
                max_retries=0,
                http_client=DefaultAsyncHttpxClient(trust_env=False) if self._here else None,
            )
        return self._client

    async def close(self) -> None:
        """End the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    @property
    def host(self) -> str:
        """The address without any credentials."""
        parts = urlsplit(self.address)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.hostname}{port}{parts.path.rstrip('/')}"

    def takes(self, now: float, alone: bool = False) -> bool:
        """Whether a call may go out now; `alone` if none may be under way beside it."""
        if self.breaker.state is not Circuit.CLOSED or self._alone or now < self.rests_until:
            return False
        return self.in_flight < (1 if alone else self.limit.size)

    @property
    def load(self) -> float:
        """Share of the limit that is in use."""
        return self.in_flight / self.limit.size

    def start(
        self, calls: Callable[[Endpoint], Coroutine[Any, Any, None]], alone: bool = False
    ) -> asyncio.Task[None]:
        """A task that takes up a place from now until it ends; `alone` keeps all others out meanwhile."""

        def leave(_: asyncio.Task[None]) -> None:
            self.in_flight -= 1
            self._alone = self._alone and not alone

        self.in_flight += 1
        self._alone = self._alone or alone
        task = asyncio.create_task(calls(self))
        task.add_done_callback(leave)
        return task

    def start_probe(self) -> asyncio.Task[None]:
        """A task that asks for one token, which closes the circuit or keeps it open."""
        self.breaker.probing()
        return self.start(Endpoint._probe)

    async def call(self, work: Callable[[Endpoint], Awaitable[Result]]) -> Result | Fault:
        """What `work` brings, or the fault it ended in; the limit and the circuit learn from both."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                result = await work(self)
        except Exception as error:
            fault = self._without_key(read_fault(error))
            if fault.kind is FaultKind.BROKEN and await self._is_dying():
                fault = self._last_answer(fault, started)
            self._note(fault, started)
            return fault
        self._answered, self._died_at = True, None
        self.breaker.succeeded()
        self.limit.succeeded(self.in_flight, time.monotonic() - started)
        return result

    async def _probe(self) -> None:
        try:
            if await self.call(_one_token) is None:
                _log.info("%s answers again", self.host)
        finally:
            if self.breaker.state is Circuit.HALF_OPEN:
                self.breaker.probe_failed(time.monotonic())

    async def engine(self) -> Engine:
        """Which server this is, asked once by way of its model list."""
        async with self._asking_engine:
            if self._engine is None:
                try:
                    owners = [served.owned_by async for served in self.client.models.list()]
                except APIStatusError as error:
                    if read_fault(error).kind in PASSING:
                        raise  # to be asked again, not to be taken for another engine
                    owners = []
                except (ValueError, AttributeError, TypeError):
                    owners = []  # it has no list that can be read
                self._engine = engine_of(self.address, owners)
        return self._engine

    def is_lost(self, now: float) -> bool:
        """Whether it is no longer worth waiting for this address."""
        if self.rests_until > now + self._patience.known:
            return True
        down = self.breaker.down_since
        if down is None:
            return False
        if self.last_fault is not None and self.last_fault.kind is FaultKind.REFUSED:
            return True
        if self._patience.is_gone():
            return True
        return now - down > (self._patience.known if self._answered else self._patience.unknown)

    @property
    def trouble(self) -> str:
        """The last fault in words, and what the address asks for."""
        said = self.last_fault.text if self.last_fault else "no fault yet"
        seconds = self.rests_until - time.monotonic()
        return f"{said}; it asks to wait {seconds:.0f} s" if seconds > 0 else said

    async def _is_dying(self) -> bool:
        return self._died_at is not None or await asyncio.to_thread(self._patience.is_dying)

    def _last_answer(self, fault: Fault, started: float) -> Fault:
        """A dying server's error: the end of what was under way, and no answer to what came later."""
        if self._died_at is not None and started > self._died_at:
            return Fault(FaultKind.UNREACHED, fault.text)
        self._died_at = self._died_at or time.monotonic()
        return Fault(FaultKind.DROPPED, fault.text)

    def _note(self, fault: Fault, started: float) -> None:
        now = time.monotonic()
        self.last_fault = fault
        if fault.wait is not None:
            # The server asks everyone; not everyone should come back at once.
            wait = fault.wait + random.uniform(0.0, self._patience.shortest_wait)
            self.rests_until = max(self.rests_until, now + wait)
        if fault.kind is FaultKind.INVALID:
            self._answered = True
            self.breaker.succeeded()
        elif started > self._incident_at:
            # What was under way at an incident and fails too is the same incident.
            self._incident_at = now
            if fault.kind in OVERLOAD:
                self.limit.overloaded()
            before = self.breaker.state
            self.breaker.failed(now)
            if before is not self.breaker.state:
                _log.warning("%s is left alone for a while: %s", self.host, fault.text)

    def _without_key(self, fault: Fault) -> Fault:
        text = fault.text.replace(self._key, "***") if self._key else fault.text
        return Fault(fault.kind, text, fault.wait)


async def _one_token(endpoint: Endpoint) -> None:
    prompt = Prompt((Message(role="user", content="Say yes."),), max_tokens=1)
    body = request_body(prompt, endpoint.model, await endpoint.engine())
    read_reply(await endpoint.client.chat.completions.create(**body))

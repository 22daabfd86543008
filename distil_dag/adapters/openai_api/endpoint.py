"""One address of a served model: its connections, its abilities, and whether it can take a call."""

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
from distil_dag.adapters.openai_api.wire import read_answer, request_body
from distil_dag.core.case import Message
from distil_dag.stages.ports import Prompt

Result = TypeVar("Result")

_CONNECT_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often a call is tried.

    A server that has answered before may be restarting with a large model. One that never has may have a
    wrong address.

    Attributes:
        known: Seconds to wait for a server that has answered before.
        unknown: Seconds to wait for a server that never has.
        shortest_wait: Bound of the first wait between two tries, in seconds.
        longest_wait: Greatest bound of such a wait, in seconds.
        tries: Most tries of a call that may itself be the cause of its failures.
        is_gone: Asked while the server is down; whether it will stay down.
        is_dying: Asked after an error of the server; whether it is about to end.
    """

    known: float = 900.0
    unknown: float = 120.0
    shortest_wait: float = 0.5
    longest_wait: float = 30.0
    tries: int = 4
    # Answered by the supervisor of a managed server. No one can answer them for a server run by others.
    is_gone: Callable[[], bool] = lambda: False
    is_dying: Callable[[], bool] = lambda: False


class Endpoint:
    """Lets calls to one address through as far as its limit, its circuit and its `Retry-After` allow.

    All of it runs in one event loop, so nothing here is locked.

    Args:
        address: Base URL of the API.
        model: The server's name of the model.
        key: API key, empty for none.
        ceiling: Most calls in flight.
        timeout: Time limit of a call in seconds.
        patience: How long to wait for the server.
        here: Whether the address is one of this machine. Calls to others use the environment's proxy.

    Attributes:
        limit: How many calls the server takes at a time.
        breaker: Whether the server is left alone for a while.
        in_flight: Number of calls under way.
        rests_until: Monotonic time in seconds before which the server asked not to be called.
        last_fault: The last failed call; None before the first.
        thinks: Whether its model has been seen to think.
        opens_thoughts: Whether its chat template begins an answer within thoughts; None for unknown.
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
        self.thinks = False
        self.opens_thoughts: bool | None = None
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
        """The SDK's client, created again after :meth:`close`."""
        if self._client is None:
            # No retries by the SDK: they would hide the server's errors.
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
        """The address without scheme and credentials."""
        parts = urlsplit(self.address)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.hostname}{port}{parts.path.rstrip('/')}"

    def takes(self, now: float, alone: bool = False) -> bool:
        """Whether a call may be sent.

        Args:
            now: Monotonic time in seconds.
            alone: Whether the call requires that no other is under way.
        """
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
        """Start a task that takes up one of the endpoint's places until it ends.

        Args:
            calls: Coroutine function of this endpoint.
            alone: Whether all other calls are kept out meanwhile.
        """

        def leave(_: asyncio.Task[None]) -> None:
            self.in_flight -= 1
            self._alone = self._alone and not alone

        self.in_flight += 1
        self._alone = self._alone or alone
        task = asyncio.create_task(calls(self))
        task.add_done_callback(leave)
        return task

    def start_probe(self) -> asyncio.Task[None]:
        """Start a task that asks for one token, which closes the circuit or keeps it open."""
        self.breaker.probing()
        return self.start(Endpoint._probe)

    async def call(self, work: Callable[[Endpoint], Awaitable[Result]]) -> Result | Fault:
        """Run `work` within the time limit, and update the limit and the circuit by its outcome.

        Args:
            work: Coroutine function of this endpoint.

        Returns:
            The result of `work`, or the error that it ended in.
        """
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
        """Which server software this is, found once by its model list."""
        async with self._asking_engine:
            if self._engine is None:
                try:
                    owners = [served.owned_by async for served in self.client.models.list()]
                except APIStatusError as error:
                    if read_fault(error).kind in PASSING:
                        raise  # ask again later, instead of taking it for another engine
                    owners = []
                except (ValueError, AttributeError, TypeError):
                    owners = []  # it has no list that can be read
                self._engine = engine_of(self.address, owners)
        return self._engine

    def has_learnt(self, engine: Engine) -> None:
        """Take back what the server was believed to take, after it refused a request.

        Args:
            engine: What it takes.
        """
        self._engine = engine

    def is_lost(self, now: float) -> bool:
        """Whether this address is no longer worth waiting for, at monotonic time `now` in seconds."""
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
        """The last error in words, and how long the server asks to wait."""
        said = self.last_fault.text if self.last_fault else "no fault yet"
        seconds = self.rests_until - time.monotonic()
        return f"{said}; it asks to wait {seconds:.0f} s" if seconds > 0 else said

    async def _is_dying(self) -> bool:
        return self._died_at is not None or await asyncio.to_thread(self._patience.is_dying)

    def _last_answer(self, fault: Fault, started: float) -> Fault:
        """Classify an error of a dying server.

        Calls that were under way were dropped. Calls that started later never reached a working server.
        """
        if self._died_at is not None and started > self._died_at:
            return Fault(FaultKind.UNREACHED, fault.text)
        self._died_at = self._died_at or time.monotonic()
        return Fault(FaultKind.DROPPED, fault.text)

    def _note(self, fault: Fault, started: float) -> None:
        now = time.monotonic()
        self.last_fault = fault
        if fault.wait is not None:
            # The server tells all callers the same wait. Jitter keeps them from coming back at once.
            wait = fault.wait + random.uniform(0.0, self._patience.shortest_wait)
            self.rests_until = max(self.rests_until, now + wait)
        if fault.kind is FaultKind.INVALID:
            self._answered = True
            self.breaker.succeeded()
        elif started > self._incident_at:
            # A call that was under way at an incident and fails too belongs to the same incident.
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
    read_answer(await endpoint.client.chat.completions.create(**body), prompt, prompt.max_tokens)

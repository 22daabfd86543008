"""The teacher behind a server: requests go to it as they came, and its answers come back as it sends them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from distil_dag.adapters.openai_api.circuit_breaker import Circuit, CircuitBreaker
from distil_dag.adapters.system.environment import expand, masked
from distil_dag.core.settings import ModelSpec

if TYPE_CHECKING:
    import httpx2

_CONNECT_SECONDS = 10.0
# Servers close idle connections after five seconds or more; a call must not go into one that is closing.
_KEEP_SECONDS = 3.0
_SHORTEST_REST, _LONGEST_REST = 1.0, 30.0

log = logging.getLogger(__name__)


class TeacherDown(Exception):
    """No address of the teacher answers.

    Attributes:
        retry_after: seconds after which another try makes sense.
    """

    def __init__(self, said: str, retry_after: float) -> None:
        super().__init__(said)
        self.retry_after = retry_after


@dataclass
class _Address:
    url: str
    breaker: CircuitBreaker = field(default_factory=lambda: CircuitBreaker(_SHORTEST_REST, _LONGEST_REST))

    @property
    def host(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    def takes(self, now: float) -> bool:
        return self.breaker.state is Circuit.CLOSED or self.breaker.wants_probe(now)


class Teacher:
    """An OpenAI-compatible service, for one event loop.

    An address that failed three times in a row is left alone for a while; then one call tries it again.

    Args:
        spec: the service; `${NAME}` in its addresses is read from the environment, and so is its key.

    Raises:
        ValueError: the settings name no address, or a variable that is not set.
    """

    def __init__(self, spec: ModelSpec) -> None:
        import httpx2

        if spec.mode != "attached" or not spec.base_urls:
            raise ValueError(
                "the teacher of a server is a service: set `serving.teacher` to "
                "{mode: attached, base_url: ..., model: ...}"
            )
        self.model, self.price = spec.model, spec.price
        self._addresses = [_Address(expand(url, "teacher.base_url").rstrip("/")) for url in spec.base_urls]
        self._key = os.environ.get(spec.api_key_env, "")
        self._next = 0
        seconds = spec.timeout_seconds
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
            limits=httpx2.Limits(
                max_connections=spec.max_in_flight,
                max_keepalive_connections=spec.max_in_flight,
                keepalive_expiry=_KEEP_SECONDS,
            ),
        )

    @property
    def is_up(self) -> bool:
        """Whether calls are sent to it now."""
        return any(address.breaker.state is Circuit.CLOSED for address in self._addresses)

    @property
    def hosts(self) -> str:
        """Its addresses as they may be shown."""
        return ", ".join(masked(address.host) for address in self._addresses)

    @asynccontextmanager
    async def ask(
        self, path: str, content: bytes, authorization: str | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request; leaving the block before the answer is read ends the call.

        Args:
            path: below the address, such as `/chat/completions`.
            content: the body.
            authorization: the header to send in place of the teacher's own key.

        Yields:
            The answer, whatever its status, with its body still to be read.

        Raises:
            TeacherDown: no address takes a call.
        """
        import httpx2

        said = authorization if authorization is not None else f"Bearer {self._key}" if self._key else None
        # The body is read here too, so it comes uncompressed.
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        headers |= {"authorization": said} if said else {}
        last = "it was left alone after failures"
        for address in self._in_turn():
            request = self._client.build_request("POST", address.url + path, content=content, headers=headers)
            with _noted(address):
                try:
                    response = await self._client.send(request, stream=True)
                except httpx2.TransportError as error:
                    last = type(error).__name__
                    _failed(address, last)
                    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout)):
                        continue  # it never saw the call
                    break
                if response.status_code >= 500:
                    _failed(address, f"status {response.status_code}")
                else:
                    address.breaker.succeeded()
            try:
                yield response
            except httpx2.TransportError as error:
                _failed(address, type(error).__name__)
                raise
            finally:
                await response.aclose()
            return
        raise TeacherDown(f"the teacher at {self.hosts} does not answer ({last})", self._rest())

    async def close(self) -> None:
        """End its connections."""
        await self._client.aclose()

    def _in_turn(self) -> list[_Address]:
        self._next = (self._next + 1) % len(self._addresses)
        turn = [*self._addresses[self._next :], *self._addresses[: self._next]]
        return [address for address in turn if address.takes(time.monotonic())]

    def _rest(self) -> float:
        now = time.monotonic()
        waits = [address.breaker.probe_at - now for address in self._addresses]
        return min(_LONGEST_REST, max(_SHORTEST_REST, min(waits)))


@contextmanager
def _noted(address: _Address) -> Iterator[None]:
    """A call to an address that is tried again after a rest decides; giving it up counts as failed."""
    breaker = address.breaker
    if breaker.state is Circuit.OPEN:
        breaker.probing()
    try:
        yield
    finally:
        if breaker.state is Circuit.HALF_OPEN:
            breaker.probe_failed(time.monotonic())


def _failed(address: _Address, why: str) -> None:
    before, now = address.breaker.state, time.monotonic()
    if before is Circuit.CLOSED:
        address.breaker.failed(now)
        if address.breaker.state is not before:
            log.warning("the teacher at %s is left alone for a while: %s", address.host, why)

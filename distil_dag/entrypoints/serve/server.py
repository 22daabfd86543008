"""The process of a server: its socket, its signals, and its end."""

from __future__ import annotations

import asyncio
import signal
import socket
from asyncio.events import TimerHandle
from contextlib import suppress

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from distil_dag.entrypoints.serve.app import Gateway

# For requests under way at the end.
_GRACE_SECONDS = 120


def serve(gateway: Gateway, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT: then no more is taken, and what is under way ends first.

    SIGHUP looks at once whether tasks have other students.

    Args:
        gateway: what is served.
        listening: a bound socket.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(run(gateway, listening))


async def run(gateway: Gateway, listening: socket.socket) -> None:
    """The same in a running event loop."""
    server = uvicorn.Server(configuration(gateway))
    loop = asyncio.get_running_loop()
    refreshing: set[asyncio.Task[None]] = set()

    def refresh() -> None:
        task = asyncio.create_task(gateway.refresh())
        refreshing.add(task)
        task.add_done_callback(refreshing.discard)

    loop.add_signal_handler(signal.SIGHUP, refresh)
    await server.serve(sockets=[listening])


def configuration(gateway: Gateway) -> uvicorn.Config:
    """How uvicorn runs a gateway."""
    return uvicorn.Config(
        gateway.app,
        http=_Impatient,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        lifespan="on",
    )


class _Impatient(HttpToolsProtocol):
    """Closes connections whose headers do not come in time: uvicorn itself waits for them without end."""

    seconds = 15.0
    _late: TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._heard()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.seconds, self.transport.close)

    def _heard(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

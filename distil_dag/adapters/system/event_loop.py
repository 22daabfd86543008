"""An asyncio event loop in a thread of its own, for callers that are not asynchronous."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

Item = TypeVar("Item")


class BackgroundLoop:
    """An event loop that starts with its first use and runs until it is closed.

    Connections that are opened in the loop outlive a single call.

    Args:
        name: Name of the loop's thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def stream(
        self, work: Callable[[Callable[[Item], Awaitable[None]]], Coroutine[Any, Any, None]]
    ) -> Generator[Item]:
        """Run `work` in the loop and yield what it puts, in the caller's thread.

        `put` returns only when the caller asks for the next item. So the caller can store an item before more
        work begins. A caller that stops early cancels the work and waits until it has cleaned up. An
        exception of `work` is raised after the last item.

        Args:
            work: Coroutine function that gets an asynchronous `put` and calls it once for each item.

        Yields:
            The items, in the order in which they were put.
        """
        loop = self._running()
        items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        started: list[asyncio.Task[None]] = []

        async def put(item: Item) -> None:
            done = asyncio.Event()
            items.put((item, done))
            await done.wait()

        def start() -> None:
            started.append(loop.create_task(work(put)))
            started[0].add_done_callback(items.put)

        loop.call_soon_threadsafe(start)
        item: Any = None
        try:
            while not isinstance(item := items.get(), asyncio.Task):
                value, done = item
                yield value
                loop.call_soon_threadsafe(done.set)
            item.result()
        finally:
            if not isinstance(item, asyncio.Task):
                loop.call_soon_threadsafe(lambda: started[0].cancel())
                while not isinstance(items.get(), asyncio.Task):
                    pass

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `last` in the loop, then end the thread.

        Nothing happens if the loop never ran.

        Args:
            last: Coroutine function that cleans up, for example by closing connections.
        """
        with self._starting:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(last(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon: a model that nobody closed must not keep the process alive.
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return self._loop

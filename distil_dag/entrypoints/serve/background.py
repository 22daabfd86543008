"""What goes on after an answer was sent: tasks that a server ends with, not before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Background:
    """Tasks of one event loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task; what it fails with is logged without its words, which may be a client's."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def drain(self, seconds: float) -> int:
        """Wait for all tasks, those too that start meanwhile.

        Args:
            seconds: to wait at most.

        Returns:
            How many did not end, and were cancelled.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while self._tasks and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._tasks, timeout=left)
        remaining = list(self._tasks)
        for task in remaining:
            task.cancel()
        return len(remaining)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an exchange could not be settled: %s", type(error).__name__)

"""A task as it is served: its student, which may be put in another's place under load, and its teacher."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from distil_dag.adapters.serving.student import StudentAnswer
from distil_dag.adapters.serving.teacher import Teacher
from distil_dag.core.case import Message
from distil_dag.core.serving import ServingSettings
from distil_dag.core.toolset import Toolset
from distil_dag.stages.serving.policy import Policy
from distil_dag.stages.serving.proving.calibration_rows import ScoredRow
from distil_dag.stages.serving.tools import ToolCheck

log = logging.getLogger(__name__)


class ServedStudent(Protocol):
    """A student that takes many requests at once."""

    @property
    def identity(self) -> str: ...
    @property
    def tools(self) -> Toolset: ...
    @property
    def run(self) -> str: ...
    @property
    def calibration(self) -> Sequence[ScoredRow]: ...
    def submit(self, conversation: tuple[Message, ...], max_tokens: int) -> Future[StudentAnswer]: ...
    def close(self) -> None: ...


@dataclass
class Loaded:
    """A student in memory, with what goes with it.

    Attributes:
        student: answers.
        policy: whether its answers are heard.
        check: compares tools of requests with its own.
        waiting: answers that are still to come.
        users: exchanges that it belongs to; its memory is freed after the last of them.
        retired: whether another has taken its place.
    """

    student: ServedStudent
    policy: Policy
    check: ToolCheck = field(init=False)
    waiting: int = 0
    users: int = 0
    retired: bool = False

    def __post_init__(self) -> None:
        self.check = ToolCheck(self.student.tools)

    def submit(self, messages: tuple[Message, ...], max_tokens: int) -> asyncio.Future[StudentAnswer]:
        """The answer that is to come; it belongs to the running event loop."""
        future = asyncio.wrap_future(self.student.submit(messages, max_tokens))
        self.waiting += 1
        future.add_done_callback(self._answered)
        return future

    def _answered(self, future: asyncio.Future[StudentAnswer]) -> None:
        self.waiting -= 1
        if not future.cancelled():
            future.exception()  # whoever awaits it has it; nobody else need be told

    def hold(self) -> Callable[[], None]:
        """Keep the student in memory until what is returned is called, once."""
        self.users += 1

        def release() -> None:
            self.users -= 1
            self.free()

        return release

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep the student in memory for the length of a block."""
        release = self.hold()
        try:
            yield
        finally:
            release()

    def free(self) -> None:
        """Free its memory once nobody needs it any more."""
        if self.retired and not self.users:
            asyncio.get_running_loop().run_in_executor(None, self.student.close)


Stamp = tuple[str, int, int, int]
"""By which a file is known again: path, inode, size, time of change."""


@dataclass
class Served:
    """A task, or a file, under its name.

    Attributes:
        name: what clients call it.
        settings: how it is served.
        source: finds the file of its student, which may be another one each time.
        load: brings a file into memory.
        policy: makes what decides for a student; the one before it is closed by then.
        teacher: who answers what the student does not; None without one.
        shadow: answers beside without being heard; None without one.
        since: when it was begun to be served, in seconds since 1970.
        current: the student of new requests.
    """

    name: str
    settings: ServingSettings
    source: Callable[[], Path]
    load: Callable[[Path], ServedStudent]
    policy: Callable[[ServedStudent], Policy]
    teacher: Teacher | None = None
    shadow: Loaded | None = None
    since: int = 0
    current: Loaded = field(init=False)
    _stamp: Stamp = field(init=False)

    def open(self) -> None:
        """Bring the student into memory.

        Raises:
            FileNotFoundError: there is no student.
            ValueError: the file is none.
        """
        path = self.source()
        self._stamp = stamp(path)
        student = self.load(path)
        self.current = Loaded(student, self.policy(student))

    async def refresh(self) -> bool:
        """Put another student in the place of the current one, where there is another by now.

        Requests that are under way end with the student that they began with.

        Returns:
            Whether it is another one.

        Raises:
            OSError: the new one can't be read; the old one stays.
            ValueError: it is no student; the old one stays.
        """
        path = await asyncio.to_thread(self.source)
        found = await asyncio.to_thread(stamp, path)
        if found == self._stamp:
            return False
        # A file that can't be loaded is not tried again before it changes.
        self._stamp = found
        student = await asyncio.to_thread(self.load, path)
        old = self.current
        old.policy.close()
        old.retired = True
        self.current = new = Loaded(student, self.policy(student))
        old.free()
        log.info("%s: %s answers in the place of %s", self.name, new.student.identity, old.student.identity)
        return True

    async def close(self) -> None:
        """Free all memory and end all connections."""
        self.current.policy.close()
        for loaded in filter(None, (self.current, self.shadow)):
            await asyncio.to_thread(loaded.student.close)
        if self.teacher:
            await self.teacher.close()


def stamp(path: Path) -> Stamp:
    """What tells a file from another one in its place, without reading it."""
    real = path.resolve(strict=True)
    known = os.stat(real)
    return str(real), known.st_ino, known.st_size, known.st_mtime_ns

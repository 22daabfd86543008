"""A student in memory, and for how long it stays there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from distil_dag.adapters.serving.student import StudentAnswer
from distil_dag.core.case import Message
from distil_dag.core.toolset import Toolset
from distil_dag.stages.serving.policy import Policy
from distil_dag.stages.serving.proving.calibration_rows import ScoredRow
from distil_dag.stages.serving.tools import ToolCheck


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

"""Processes that read the records of a long log, page by page, in its order.

A process gets its next page when it has given back the outcomes of the last one, so few pages are in memory,
and neither side waits for the other to empty a pipe.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from distil_dag.adapters.logs.records.outcomes import Brief, Outcome
from distil_dag.adapters.logs.records.raw import Line, RawRecord
from distil_dag.adapters.system.environment import SourceUnavailable
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Task

OBJECTS_BEFORE_GC = 10_000
"""Objects that are made before Python looks for cycles: records and rows hold none."""
# One process keeps two others busy: it reads the log, tells copies and writes the tables.
_MOST = 2


class ReadingJob(NamedTuple):
    """What a process that reads records is told first.

    Attributes:
        task: The task as JSON.
        key: The run's key.
    """

    task: str
    key: str


class Answer(NamedTuple):
    """What it gives back for a page: outcomes, or what went wrong."""

    outcomes: list[Brief]
    error: str = ""


def spare_cores() -> int:
    """How many processes may read besides this one."""
    return min(len(os.sched_getaffinity(0)) - 1, _MOST)


def read_by_others(pages: Iterator[Any], task: Task, key: RunKey, count: int) -> Iterator[list[Outcome]]:
    """What the records of each page give, read by other processes, which end with this generator.

    Args:
        pages: Pages of records or lines.
        task: As of a run.
        key: As of a run.
        count: How many processes.

    Raises:
        SourceUnavailable: A process was ended from outside.
        RuntimeError: A record could not be dealt with; nothing that a record holds should cause this.
    """
    free = deque(_Reader(ReadingJob(task.model_dump_json(), str(key))) for _ in range(count))
    readers, busy = tuple(free), deque[_Reader]()
    try:
        for page in pages:
            if free:
                reader = free.popleft()
                reader.send(page)
                busy.append(reader)
                continue
            reader = busy.popleft()
            outcomes = reader.outcomes()
            reader.send(page)
            busy.append(reader)
            yield outcomes
        while busy:
            yield busy.popleft().outcomes()
    finally:
        for reader in readers:
            reader.end()


def page_of(portable: list[Any]) -> list[RawRecord | Line]:
    """The page that :func:`read_by_others` has sent."""
    return [Line._make(one) if type(one) is tuple else one for one in portable]


def _portable(what: Any) -> Any:
    """A page with its lines as plain tuples, which are pickled in a third of the time."""
    return [tuple(one) if type(one) is Line else one for one in what] if type(what) is list else what


class _Reader:
    """One process; see `entrypoints/read_records.py`."""

    def __init__(self, job: ReadingJob) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "distil_dag.entrypoints.read_records"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._page: Any = ()
        self.send(job)

    def send(self, what: Any) -> None:
        assert self._process.stdin is not None
        self._page = what
        try:
            pickle.dump(_portable(what), self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._tell_end()

    def outcomes(self) -> list[Outcome]:
        assert self._process.stdout is not None
        try:
            answer: Answer = pickle.load(self._process.stdout)  # noqa: S301  # of a process of ours
        except (EOFError, pickle.UnpicklingError):
            self._tell_end()
        if answer.error:
            raise RuntimeError(f"{self._where()} can't be read. {answer.error}")
        return list(map(Outcome.of, answer.outcomes))

    def end(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        self._process.kill()
        self._process.wait()

    def _tell_end(self) -> NoReturn:
        code = self._process.wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        advice = "If memory ran out, free some, then launch the run again"
        raise SourceUnavailable(f"a process that reads records {how}, at {self._where()}. {advice}")

    def _where(self) -> str:
        page = self._page if isinstance(self._page, list) else []
        if not page:
            return "its start"
        return f"{page[0].source}, {page[0].position} to {page[-1].position}"

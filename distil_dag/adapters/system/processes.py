"""Processes told apart for certain, and ended with everything that they have started.

A process number alone is given to another process sooner or later; the number and the time of its
start together are not.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Self

import psutil
from pydantic import BaseModel, ConfigDict

# In a step's process: the number of the run's process, which outlives the step.
RUN_VARIABLE = "DISTIL_DAG_RUN_PROCESS"
_PR_SET_PDEATHSIG = 1
# Start times are read against the wall clock, which may be set right in between.
_SAME_START_SECONDS = 2.0


class ProcessMark(BaseModel):
    """One process of this machine, running or gone, that no later process is taken for."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now; None when there is none."""
        try:
            return cls(pid=pid, started=psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def alive(self) -> bool:
        """Whether this very process still runs; one that only waits to be reaped does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _SAME_START_SECONDS
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this very process; nothing happens when it is gone."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def run_process() -> ProcessMark:
    """The process whose end is the end of the run that this one works for: this one, if none is said."""
    mark = ProcessMark.of(int(os.environ.get(RUN_VARIABLE, os.getpid())))
    # A run that is gone already leaves its number; nothing should be kept for it.
    return mark or ProcessMark(pid=os.getppid(), started=0.0)


def session(leader: int) -> list[ProcessMark]:
    """The live processes of the session that `leader` began, and what they have started elsewhere."""
    found: dict[int, ProcessMark] = {}
    for pid in psutil.pids():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getsid(pid) == leader:
                for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                    found[process.pid] = ProcessMark(pid=process.pid, started=process.create_time())
    return [mark for mark in found.values() if mark.alive()]


def living(marks: list[ProcessMark]) -> list[ProcessMark]:
    """The marked processes that still run, and whatever else is in a session that one of them began.

    As long as one member of a session lives, its number goes to no other session, so all of it
    belongs to the marked ones even when the leader itself is gone.
    """
    found = {mark.pid: mark for mark in marks if mark.alive()}
    sessions = {mark.pid for mark in marks}
    for mark in list(found.values()):
        with suppress(ProcessLookupError):
            if (leader := os.getsid(mark.pid)) in sessions:
                found |= {member.pid: member for member in session(leader)}
    return list(found.values())


def end(marks: list[ProcessMark], patience: float) -> list[ProcessMark]:
    """End the processes and their sessions: SIGTERM to the marked ones, `patience` seconds, SIGKILL to all.

    Returns those that are still there, which is none unless the system itself holds them.
    """
    left = living(marks)
    for mark in marks:
        mark.signal(signal.SIGTERM)
    left = _until_gone(left, patience)
    for _ in range(3):  # more than once, for what was just being started when its parent was killed
        for mark in left:
            mark.signal(signal.SIGKILL)
        left = _until_gone(left, 5.0) if left else []
    return left


def end_with_parent() -> None:
    """Have the system send SIGTERM to this process when its parent ends, however it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _until_gone(marks: list[ProcessMark], seconds: float) -> list[ProcessMark]:
    deadline = time.monotonic() + seconds
    while (marks := living(marks)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return marks

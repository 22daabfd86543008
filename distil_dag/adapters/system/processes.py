"""Processes identified beyond their number, and ended with everything that they have started.

The system reuses process numbers. The number together with the start time identifies one process.
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
# Start times are derived from the wall clock, which may be corrected between two readings.
_SAME_START_SECONDS = 2.0


class ProcessMark(BaseModel):
    """One process of this machine, running or ended, that no later process is mistaken for.

    Attributes:
        pid: Process number.
        started: Start time in seconds since the Unix epoch.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The running process with this number; None when there is none."""
        try:
            return cls(pid=pid, started=psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not count as running."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _SAME_START_SECONDS
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this very process; nothing happens when it has ended."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def run_process() -> ProcessMark:
    """The process of the run that this process works for.

    Servers of a run end with that process.

    Returns:
        The process that `DISTIL_DAG_RUN_PROCESS` names, or this one where the variable is not set. Where the
        named process has ended, a mark that counts as ended.
    """
    mark = ProcessMark.of(int(os.environ.get(RUN_VARIABLE, os.getpid())))
    # The run has ended already. Start time 0 matches no process, so nothing is kept alive for it.
    return mark or ProcessMark(pid=os.getppid(), started=0.0)


def session(leader: int) -> list[ProcessMark]:
    """The live processes of a session, with all their descendants in other sessions.

    Args:
        leader: Process number of the session's leader.
    """
    found: dict[int, ProcessMark] = {}
    for pid in psutil.pids():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getsid(pid) == leader:
                for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                    found[process.pid] = ProcessMark(pid=process.pid, started=process.create_time())
    return [mark for mark in found.values() if mark.alive()]


def living(marks: list[ProcessMark]) -> list[ProcessMark]:
    """The marked processes that still run, and all processes of the sessions that they lead.

    While one member of a session lives, the session's number is not given away. So all members belong to the
    marked processes, even when the leader itself has ended.
    """
    found = {mark.pid: mark for mark in marks if mark.alive()}
    sessions = {mark.pid for mark in marks}
    for mark in list(found.values()):
        with suppress(ProcessLookupError):
            if (leader := os.getsid(mark.pid)) in sessions:
                found |= {member.pid: member for member in session(leader)}
    return list(found.values())


def end(marks: list[ProcessMark], patience: float) -> list[ProcessMark]:
    """End processes and their sessions: SIGTERM to the marked ones, then SIGKILL to all that are left.

    Args:
        marks: The processes to end.
        patience: Seconds between the two signals.

    Returns:
        The processes that still run; empty unless the system itself holds them.
    """
    left = living(marks)
    for mark in marks:
        mark.signal(signal.SIGTERM)
    left = _until_gone(left, patience)
    for _ in range(3):  # repeated for processes that were just being started when their parent was killed
        for mark in left:
            mark.signal(signal.SIGKILL)
        left = _until_gone(left, 5.0) if left else []
    return left


def end_with_parent() -> None:
    """Ask the kernel to send SIGTERM to this process when its parent ends (Linux only).

    The signal comes however the parent ends, even by SIGKILL.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _until_gone(marks: list[ProcessMark], seconds: float) -> list[ProcessMark]:
    deadline = time.monotonic() + seconds
    while (marks := living(marks)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return marks

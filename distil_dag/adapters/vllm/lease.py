"""The use of a managed server by several processes of one run, which start it once and share it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from distil_dag.adapters.system.locks import is_held, locked
from distil_dag.adapters.system.processes import ProcessMark, end, living, run_process
from distil_dag.adapters.vllm.record import (
    LOG_FILE,
    RECORD_FILE,
    START_LOCK,
    SUPERVISOR_LOG_FILE,
    USE_LOCK,
    ServerRecord,
    SupervisorJob,
    server_name,
)
from distil_dag.adapters.vllm.server import ServerError, command, health, log_tail
from distil_dag.core.settings import ModelSpec

Say = Callable[[str], None]

_SAY_SECONDS = 10.0
_LOOK_SECONDS = 0.25
_STOP_SECONDS = 60.0
_KEPT_RUNS = 20


@dataclass
class Servers:
    """The managed servers of one run, each in a folder of its own under `root`.

    They end with the process `owner`, however that ends.

    Attributes:
        root: Folder of all runs' servers.
        run: Name of the run's folder.
        owner: The process whose end ends the servers.
        say: Called with a line of text when something has to be waited for.
        idle_seconds: Seconds without use after which a server ends.
        logs: Model name -> log file, for the servers that this process has used.
    """

    root: Path
    run: str
    owner: ProcessMark = field(default_factory=run_process)
    say: Say = lambda line: None
    idle_seconds: float = 900.0
    logs: dict[str, Path] = field(default_factory=dict)

    def lease(self, spec: ModelSpec) -> ServerLease:
        """The use of a model's server; nothing starts before it is needed."""
        return ServerLease(spec, self)

    def release(self) -> int:
        """End all servers of this run and wait for their end.

        Returns:
            The number of servers that were running.

        Raises:
            ServerError: A server could not be ended.
        """
        return sum(_release(record.parent) for record in (self.root / self.run).glob(f"*/{RECORD_FILE}"))


class ServerLease:
    """One process's use of a server, for the length of a `with` block.

    Args:
        spec: The model to serve.
        servers: The servers of the run.

    Raises:
        ValueError: The settings name arguments that the user may not choose.
    """

    def __init__(self, spec: ModelSpec, servers: Servers) -> None:
        self._spec = spec
        self._servers = servers
        self._folder = servers.root / servers.run / server_name(spec)
        self._held = ExitStack()
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._said_at = 0.0
        command(spec, 0)  # mistakes in the settings raise before anything waits

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._held.enter_context(locked(self._folder / USE_LOCK, shared=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._folder / LOG_FILE

    def ready(self) -> ServerRecord:
        """Wait until the server answers, and start it if there is none.

        Waits as long as the server lives and loads.

        Returns:
            The record of the running server, with its port and key.

        Raises:
            ServerError: The server or its supervisor ended; the message has the end of the log.
        """
        record = self._attach()
        while record.state == "starting" and record.supervisor.alive():
            self._say_progress()
            time.sleep(_LOOK_SECONDS)
            record = ServerRecord.read(self._folder) or record
        if record.state == "ready":
            return record
        raise ServerError(self.failure())

    def release(self) -> None:
        """End the server and wait for its end; nothing happens where none was started.

        Raises:
            ServerError: The server could not be ended.
        """
        _release(self._folder)

    def failure(self) -> str:
        """Why the server will not come back, with the end of its log.

        Returns:
            The reason; empty while the server runs or may come back.
        """
        record = ServerRecord.read(self._folder)
        if record is None:
            return f"the record of the model server is gone from {self._folder}"
        if record.state in ("failed", "stopped"):
            return self._told(record.reason)
        return "" if record.supervisor.alive() else self._told("the supervisor of the model server was ended")

    def is_gone(self) -> bool:
        """Whether a silent server will stay away.

        Reports now and then that the server is waited for.
        """
        self._say_progress()
        return bool(self.failure())

    def is_dying(self) -> bool:
        """Whether the server has ended, or its engine has and the server is about to."""
        record = ServerRecord.read(self._folder)
        if record is None or record.state != "ready" or health(record.port) == "broken":
            return True
        return not any(mark.alive() for mark in record.processes[:1])

    def has_failed(self) -> bool:
        """Whether the supervisor has given the server up."""
        record = ServerRecord.read(self._folder)
        return record is not None and record.state == "failed"

    def _attach(self) -> ServerRecord:
        if record := self._running():
            return record
        clean_up(self._servers.root)  # holding no lock: two processes that held one each would deadlock
        with locked(self._folder / START_LOCK):
            if record := self._running():
                return record
            _remove_dead(self._folder)
            return self._start()

    def _running(self) -> ServerRecord | None:
        record = ServerRecord.read(self._folder)
        if record is None or record.state not in ("starting", "ready") or not record.supervisor.alive():
            return None
        self._servers.logs[Path(str(self._spec.model)).name] = self.log
        return record

    def _start(self) -> ServerRecord:
        job = SupervisorJob(
            spec=self._spec,
            folder=self._folder,
            owner=self._servers.owner,
            idle_seconds=self._servers.idle_seconds,
        )
        supervisor_log = self._folder / SUPERVISOR_LOG_FILE
        with supervisor_log.open("wb") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "distil_dag.entrypoints.supervise_server"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.write(job.model_dump_json().encode())
        self._supervisor.stdin.close()
        self._servers.say(f"starting {self._spec.model} with `{self._spec.executable}`, log: {self.log}")
        self._servers.logs[Path(str(self._spec.model)).name] = self.log
        while True:
            ended = self._supervisor.poll() is not None
            record = ServerRecord.read(self._folder)
            if record and record.supervisor.pid == self._supervisor.pid:
                return record
            if ended:
                raise ServerError(f"the server's supervisor did not start: {log_tail(supervisor_log)}")
            time.sleep(0.05)

    def _say_progress(self) -> None:
        now = time.monotonic()
        if now - self._said_at >= _SAY_SECONDS:
            self._said_at = now
            line = log_tail(self.log).rpartition("\n")[2]
            self._servers.say(f"waiting for the model server {self._spec.model}: {line[-160:]}")

    def _told(self, reason: str) -> str:
        return f"{reason}\n--- end of {self.log} ---\n{log_tail(self.log)}"


def clean_up(root: Path) -> None:
    """End what killed supervisors left under `root`, and delete the oldest runs that nobody uses.

    Only processes that a record names with number and start time are ended, with their sessions. So a server
    of someone else is never touched. The 20 newest runs are kept. Locks are waited for, so the caller must
    hold none.

    Args:
        root: Folder of all runs' servers.

    Raises:
        ServerError: A process can't be ended.
    """
    for record in root.glob(f"*/*/{RECORD_FILE}"):
        with locked(record.parent / START_LOCK):
            _remove_dead(record.parent)
    runs = sorted(root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for run in runs[_KEPT_RUNS:]:
        if not _in_use(run):
            shutil.rmtree(run, ignore_errors=True)


def _in_use(run: Path) -> bool:
    """Whether a server of the run lives, or a step may yet start one."""
    if any(is_held(lock) for lock in run.glob(f"*/{USE_LOCK}")):
        return True
    records = [ServerRecord.read(path.parent) for path in run.glob(f"*/{RECORD_FILE}")]
    return any(record and record.supervisor.alive() for record in records)


def _remove_dead(folder: Path) -> None:
    """End the processes of a supervisor that has ended; nothing happens while it lives."""
    record = ServerRecord.read(folder)
    if record is None or record.supervisor.alive():
        return
    if left := end(living(list(record.processes)), 10.0):
        raise ServerError(
            f"processes of an earlier model server can't be ended: {[mark.pid for mark in left]}"
        )
    if record.state in ("starting", "ready"):
        reason = "the supervisor of the model server was ended"
        record.model_copy(update={"state": "failed", "reason": reason, "processes": ()}).write(folder)


def _release(folder: Path) -> int:
    record = ServerRecord.read(folder)
    if record is None or not record.supervisor.alive():
        _remove_dead(folder)
        return 0
    record.supervisor.signal(signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while record.supervisor.alive():
        if time.monotonic() > deadline:
            record.supervisor.signal(signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)
    _remove_dead(folder)
    return 1

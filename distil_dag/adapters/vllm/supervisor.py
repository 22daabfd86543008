"""Supervises one vLLM server of a run: starts it, restarts it when it dies, and ends it in time.

The supervisor is a process of its own (`entrypoints/supervise_server.py`), because the steps that share the
server come and go. It ends when the run's process has ended, when it is told to, or when nobody has used the
server for a while. It takes every process of the server along.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

from pydantic import SecretStr

from distil_dag.adapters.system.locks import is_held
from distil_dag.adapters.system.processes import ProcessMark
from distil_dag.adapters.vllm.record import LOG_FILE, USE_LOCK, ServerRecord, SupervisorJob
from distil_dag.adapters.vllm.server import ServerError, VllmServer, free_port, health

_LOOK_SECONDS = 0.5
_HEALTH_SECONDS = 5.0
# A request that crashes its server does so three times before it is identified. Two such requests are
# survived. A server that still dies after so short a life each time will do so again.
_RESTARTS = 6
_SHORT_LIFE_SECONDS = 600.0


class Supervisor:
    """Supervises one server from its first start to its end.

    Args:
        job: What to serve, for whom and how long.
        supervisor: The process that this object runs in.
        asked: Set from outside to end the server.
    """

    def __init__(self, job: SupervisorJob, supervisor: ProcessMark, asked: threading.Event) -> None:
        self._job = job
        self._asked = asked
        self._used_at = time.monotonic()
        # Port and key stay the same over restarts, so that waiting callers find the server again.
        self._record = ServerRecord(
            state="starting", supervisor=supervisor, port=free_port(), key=secrets.token_urlsafe(32)
        )

    def run(self) -> None:
        """Serve until there is a reason to stop; the record's last state holds the reason."""
        deaths, ever_ready = 0, False
        self._note()
        try:
            while True:
                began = time.monotonic()
                was_ready, end = self._one_life()
                if self._reason():
                    self._end("stopped", self._reason())
                    return
                deaths = deaths + 1 if time.monotonic() - began < _SHORT_LIFE_SECONDS else 1
                # Waiting calls may reach the server, and crash it, before it is recorded as ready.
                ever_ready = ever_ready or was_ready
                if not ever_ready:
                    raise ServerError(end)
                if deaths > _RESTARTS:
                    raise ServerError(f"{end}, the last of {deaths} times in short order")
                self._note(state="starting", reason=end, processes=())
        except (ServerError, ValueError) as error:
            self._end("failed", str(error))

    def _one_life(self) -> tuple[bool, str]:
        """Start the server once and wait for its end.

        Returns:
            Whether the server was ever ready, and in words how it ended. None of its processes is left.
        """
        log = self._job.folder / LOG_FILE
        server = VllmServer(self._job.spec, self._record.port, self._record.key.get_secret_value(), log)
        self._note(starts=self._record.starts + 1)
        try:
            was_ready = self._until(server, lambda: health(self._record.port) == "well" and server.answers())
            if was_ready:
                # Recorded before anyone uses them: after a crash, only recorded processes are known as ours.
                self._note(state="ready", reason="", processes=tuple(server.members()))
                self._until(server, lambda: health(self._record.port) == "broken")
        finally:
            code = server.stop()
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        what = "died" if was_ready else "ended before it was ready"
        return was_ready, f"the model server {what} ({how})"

    def _until(self, server: VllmServer, done: Callable[[], bool]) -> bool:
        """Poll until `done` returns True; False when the server has ended or is no longer needed."""
        asked_at = 0.0
        while server.alive and not self._reason():
            members = tuple(server.members())
            if set(members) != set(self._record.processes):
                self._note(processes=members)
            now = time.monotonic()
            if now - asked_at >= (_HEALTH_SECONDS if self._record.state == "ready" else 0.0):
                asked_at = now
                if done():
                    return True
            self._asked.wait(_LOOK_SECONDS)
        return False

    def _reason(self) -> str:
        """Why the server is no longer needed; empty while it is."""
        if self._asked.is_set():
            return "it was released"
        if not self._job.owner.alive():
            return "its run has ended"
        if is_held(self._job.folder / USE_LOCK):
            self._used_at = time.monotonic()
        idle = time.monotonic() - self._used_at
        return f"nobody used it for {idle:.0f} s" if idle > self._job.idle_seconds else ""

    def _end(self, state: str, reason: str) -> None:
        self._note(state=state, reason=reason, processes=(), key=SecretStr(""))

    def _note(self, **changes: object) -> None:
        self._record = self._record.model_copy(update=changes)
        self._record.write(self._job.folder)

"""A server that runs for as long as a test needs it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from distil_dag_tests.adapters.logs.servers.demo import quiet


@contextmanager
def running(command: Sequence[str | Path], folder: Path, ready: str, **environment: str) -> Iterator[None]:
    """A server, until the block ends.

    Args:
        command: starts it.
        folder: where it runs, and where its log is kept.
        ready: an address that answers when it serves.
        environment: variables that it needs.
    """
    log = folder / "server.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said, stdin=subprocess.DEVNULL,
            env={**quiet(), **environment}, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 180
        while not _answers(ready):
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False

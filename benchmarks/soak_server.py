"""`distil-dag serve` in a process of its own, whose memory is watched, for a soak."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from distil_dag.cli.task_template import task_template

_START_SECONDS = 180
_EVERY = 0.5


class Server:
    """A server that may be killed and started again; use it as a context manager.

    Args:
        folder: home of the installation.
        file: the student.
        teacher: address of the teacher.
        task: name of the task that the student's file names.
        settings: overrides of the task's settings.

    Attributes:
        url: its address.
        swaps: students that were put in another's place, over all processes.
    """

    def __init__(self, folder: Path, file: Path, teacher: str, task: str, settings: Sequence[str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self.swaps = f"http://127.0.0.1:{port}", 0
        self._folder, self._log = folder, folder / "server.log"
        program = [sys.executable, "-c", "from distil_dag.cli import main; main()"]
        self._command = [*program, "serve", str(file), "--port", str(port), "--teacher-url", teacher]
        self._command += [part for setting in settings for part in ("--set", setting)]
        self._tasks = folder / "tasks"
        (self._tasks / task).mkdir(parents=True)
        for name, text in task_template(task).items():
            (self._tasks / task / name).write_text(text)
        self._process: subprocess.Popen[bytes] | None = None
        self._samples: list[tuple[str, list[tuple[float, float, float]]]] = []

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    def start(self) -> None:
        """Start a process, and wait until it answers."""
        places = {"DISTIL_DAG_HOME": str(self._folder), "DISTIL_DAG_TASKS": str(self._tasks)}
        environment = {**os.environ, **places}
        with self._log.open("ab") as told:
            process = subprocess.Popen(
                self._command, cwd=self._folder, env=environment, stdout=told, stderr=told
            )
        self._process = process
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.1)
        self._samples.append(("answers", []))
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    def swapped(self) -> None:
        """Have it look for another file, and wait until that answers."""
        assert self._process is not None
        before = self._count()
        self._samples.append(("swap", []))
        self._process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + _START_SECONDS
        while self._count() == before:
            if time.monotonic() > deadline:
                return  # `swaps` tells
            time.sleep(0.1)
        self.swaps += 1
        self._samples.append(("answers", []))

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """End it once what is under way has ended (SIGTERM)."""
        self._end(signal.SIGTERM)

    def memory(self) -> list[dict[str, Any]]:
        """Of each stretch between start, swap and end: megabytes, and their growth in its second half."""
        stretches = [np.array(samples) for kind, samples in self._samples if kind == "answers"]
        return [_figures(samples) for samples in stretches if len(samples) >= 4]

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            try:
                said = Path(f"/proc/{process.pid}/status").read_text()
                # Anonymous memory leaves out the pages of files, such as those of a model that is mapped.
                kilobytes = [int(said.split(f"{name}:")[1].split()[0]) for name in ("VmRSS", "RssAnon")]
            except (OSError, IndexError):  # it has just ended
                return
            self._samples[-1][1].append((time.monotonic(), kilobytes[0] / 1e3, kilobytes[1] / 1e3))
            time.sleep(_EVERY)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(120)
        self._process = None

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def _count(self) -> float:
        said = httpx2.get(f"{self.url}/metrics", timeout=30).text
        lines = [
            line for line in said.splitlines() if line.startswith('distil_dag_swaps_total{outcome="done"')
        ]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _figures(samples: np.ndarray[Any, Any]) -> dict[str, Any]:
    times = (samples[:, 0] - samples[0, 0]) / 60
    half = len(samples) // 2
    found: dict[str, Any] = {"minutes": round(float(times[-1]), 2)}
    for name, values in (("resident", samples[:, 1]), ("anonymous", samples[:, 2])):
        start, middle, end = (round(float(values[place])) for place in (len(values) // 10, half, -1))
        slope = np.polyfit(times[half:], values[half:], 1)[0] if len(values) - half > 1 else 0.0
        found[name] = {"start": start, "middle": middle, "end": end, "mb_per_minute": round(float(slope), 2)}
    return found

"""The demo's log, what our reader makes of its table, and what it makes of the same calls behind a server."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distil_dag.adapters.logs.source import read_traces
from distil_dag.core.case import Trace
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.loaded_log import task_of

PROGRAMS = Path(__file__).parent / "programs"
EXAMPLE = Path(__file__).parents[4] / "examples" / "smart_home"
TOOLS = json.loads((EXAMPLE / "job_description.json").read_text())["tools"]
"""What each request defines on its way to a server."""
CALLS = int(os.environ.get("DISTIL_DAG_TEST_CALLS", "150"))
"""How many of the demo's calls are logged; it has 1500."""
MIDDLE = datetime(2026, 10, 19, tzinfo=UTC)
BEGIN, END = datetime(2026, 10, 5, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Demo:
    """The demo's log.

    Attributes:
        path: the SQLite database.
        table: what is read from it, by id.
    """

    path: Path
    table: dict[str, Trace]

    @classmethod
    def build(cls, folder: Path) -> Demo:
        subprocess.run(
            [sys.executable, EXAMPLE / "build_log.py", folder, "--rows", str(CALLS)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        path = folder / "log.db"
        source = {"kind": "sql", "url": f"sqlite:///{path}", "table": "requests"}
        table = {trace.id: trace for trace in read(source)}
        assert len(table) == CALLS
        return cls(path, table)

    def send(
        self, program: str, url: str, first: int = 0, last: int = CALLS, **environment: str
    ) -> dict[str, str]:
        """Log calls with a vendor's client; id of a call -> id that the vendor gave it."""
        python = Path(os.environ["DISTIL_DAG_TEST_SERVERS"]) / "python"
        command = [python, PROGRAMS / program, url, self.path, str(first), str(last)]
        done = subprocess.run(command, capture_output=True, text=True, env={**quiet(), **environment})
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    def bodies(self) -> dict[str, tuple[Any, Any]]:
        """Id -> request, with the tools, and response as JSON."""
        with sqlite3.connect(self.path) as database:
            rows = database.execute("SELECT id, request, response FROM requests").fetchall()
        return {
            name: ({**json.loads(request), "tools": TOOLS}, json.loads(response))
            for name, request, response in rows
        }


def quiet() -> dict[str, str]:
    """The environment of a server, which asks nothing outside this machine."""
    return {
        **os.environ,
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE": "100000",  # what a full one has no room for is dropped
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes that nothing here needs
        "DO_NOT_TRACK": "true",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{os.environ['DISTIL_DAG_TEST_SERVERS']}:{os.environ['PATH']}",
    }


def read(source: dict[str, Any], since: datetime | None = None, until: datetime | None = None) -> list[Trace]:
    """The traces of a window as a run reads them."""
    return read_traces(task_of(source), RunKey("t", since, until))[0]


def content(trace: Trace) -> Any:
    """What a case says, whoever logged it."""
    return trace.messages, trace.calls, trace.text, trace.model


def by_call(traces: Iterable[Trace], ids: dict[str, str]) -> dict[str, Trace]:
    """Traces by the ids of the demo's calls; each is there once."""
    theirs = {ours: name for name, ours in ids.items()}
    found = [(theirs[trace.id], trace) for trace in traces]
    assert len(dict(found)) == len(found)
    return dict(found)

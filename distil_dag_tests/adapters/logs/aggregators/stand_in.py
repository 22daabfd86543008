"""A service on a port of this machine that answers as a function says, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from distil_dag.adapters.logs.intake import QUARANTINE, TRACES, Intake
from distil_dag.adapters.logs.source import open_log
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.loaded_log import task_of


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Answer(NamedTuple):
    """What is answered; `content` is written as JSON unless it is bytes."""

    content: Any
    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012


class Service:
    """Where it is, and what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []


@contextmanager
def serving(answer: Callable[[Asked], Answer]) -> Iterator[Service]:
    """A service that answers as told, for the length of a `with` block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            asked = Asked(self.command, unquote(parts.path), query, headers, json.loads(raw) if raw else None)
            service.asked.append(asked)
            found = answer(asked)
            content = (
                found.content if isinstance(found.content, bytes) else json.dumps(found.content).encode()
            )
            self.send_response(found.status)
            for name, value in {"content-length": str(len(content)), **found.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = Service(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Read(NamedTuple):
    """What a run has read."""

    traces: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    others: dict[str, int]

    @property
    def numbers(self) -> list[int]:
        """The arguments of all calls, in order."""
        return [json.loads(row["calls"])[0]["arguments"]["n"] for row in self.traces]


def read(source: dict[str, Any], run: str = "t.all") -> Read:
    """What a run of a source reads."""
    task, key = task_of(source), RunKey.parse(run)
    intake, log = Intake(task, key), open_log(task)
    rows: dict[str, list[Any]] = {TRACES: [], QUARANTINE: []}
    tables = [intake.read(log.records(page)) for page in log.pages(key)]
    for table in [*tables, intake.rest()]:
        for name, page in table.items():
            rows[name] += page.to_pylist()
    return Read(rows[TRACES], rows[QUARANTINE], intake.report().no_answers)


def call(number: int, **more: Any) -> dict[str, Any]:
    """A record of one call, as an agent logs it."""
    answer = {"role": "assistant", "tool_calls": [{"function": {"name": "on", "arguments": {"n": number}}}]}
    return {
        "request": {"messages": [{"role": "user", "content": f"Turn {number} on."}]},
        "response": {"choices": [{"message": answer}]},
        **more,
    }


def line(number: int, **more: Any) -> str:
    """A line of such a log."""
    return json.dumps(call(number, **more))

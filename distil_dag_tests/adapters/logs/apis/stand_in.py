"""A stand-in of a service: answers HTTP on loopback as a function says."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as the stand-in got it; of a parameter that comes several times, `params` has the first."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: Any
    lists: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What it gives back; a body that is no bytes is sent as JSON."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no error."""


class StandIn:
    """Serves while its `with` block runs, and keeps what it was asked."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.asked: list[Asked] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, which no delayed acknowledgement holds up

            def _answer(self) -> None:
                url = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                body = self._body(self.rfile.read(length)) if length else None
                lists = parse_qs(url.query, keep_blank_values=True)
                params = {name: values[0] for name, values in lists.items()}
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, url.path, params, headers, body, lists)
                stand_in.asked.append(asked)
                try:
                    given = answer(asked)
                except Exception as error:  # it was asked for what its API does not have
                    given = Answer({"refused": repr(error)}, 400)
                content = given.body if isinstance(given.body, bytes) else json.dumps(given.body).encode()
                self.send_response(given.status)
                for name, value in {
                    "Content-Type": "application/json",
                    "Content-Length": str(len(content)),
                    **given.headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def _body(self, sent: bytes) -> Any:
                if "form" in self.headers.get("Content-Type", ""):
                    return dict(parse_qsl(sent.decode()))
                return json.loads(sent)

            do_GET = do_POST = do_DELETE = _answer

            def log_message(self, *_: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "StandIn":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

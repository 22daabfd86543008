"""A server of the OpenAI protocol that misbehaves as told, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str, dict[str, Any]], Any]

# In place of a body: close the connection without an answer.
DISCONNECT = object()
# In place of a body: promise more bytes than come.
TRUNCATE = object()


class Server:
    """Answers with what `answer(path, body)` returns: status, a body of JSON or bytes, maybe headers.

    GET requests, which ask for the list of models, get one of `owner`, after `list_faults` failures.
    """

    def __init__(self, answer: Answer, owner: str = "somebody", port: int = 0) -> None:
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.words: Counter[str] = Counter()
        self.in_flight = self.most_in_flight = self.list_faults = 0
        self.lock = threading.Lock()
        self.connections: list[socket.socket] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if outer.list_faults:
                    outer.list_faults -= 1
                    self.send(500, {}, {})
                    return
                model = {"id": "big", "object": "model", "created": 1, "owned_by": owner}
                self.send(200, {"object": "list", "data": [model]}, {})

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                raw = self.rfile.read(length)
                if len(raw) < length:  # stopped while it was read
                    self.close_connection = True
                    return
                body = json.loads(raw) if raw else {}
                with outer.lock:
                    outer.in_flight += 1
                    outer.most_in_flight = max(outer.most_in_flight, outer.in_flight)
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    outer.requests.append((self.path, body, headers))
                    if body.get("messages"):
                        outer.words[body["messages"][-1]["content"]] += 1
                try:
                    status, value, *more = answer(self.path, body)
                finally:
                    with outer.lock:
                        outer.in_flight -= 1
                self.send(status, value, more[0] if more else {})

            def send(self, status: int, value: Any, headers: dict[str, str]) -> None:
                self.close_connection = value in (DISCONNECT, TRUNCATE)
                if value is DISCONNECT:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                cut = value is TRUNCATE
                data = b'{"id":' if cut else value if isinstance(value, bytes) else json.dumps(value).encode()
                try:
                    self.send_response(status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(data) + 100 * cut))
                    for name, text in headers.items():
                        self.send_header(name, text)
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    self.close_connection = True  # the client did not wait

            def log_message(self, *_: Any) -> None:
                pass

        class Http(ThreadingHTTPServer):
            request_queue_size = 128

            def get_request(self) -> tuple[socket.socket, Any]:
                connection, address = super().get_request()
                outer.connections.append(connection)
                return connection, address

        self.http = Http(("127.0.0.1", port), Handler)
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """End as a process does: with its connections, on which a client would else go on asking."""
        self.http.shutdown()
        self.http.server_close()
        for connection in self.connections:
            with suppress(OSError):  # closed before
                connection.shutdown(socket.SHUT_RDWR)


def completion(text: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "big",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


def words_of(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def echo(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    return 200, completion(words_of(body).upper())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

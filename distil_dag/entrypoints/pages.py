"""Serves reports, model cards and logs to a browser: `python -m distil_dag.entrypoints.pages`.

Its job (`PagesJob`, JSON) comes from standard input. It shows what :class:`Pages` lists, and changes nothing.
It answers requests that name it by a loopback name, or by a name of its job. So a foreign page whose own name
leads to this machine (DNS rebinding) gets nothing.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import jinja2
import uvicorn
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.processes import end_with_parent
from distil_dag.runs.pages import Pages

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_TYPES = {".html": "text/html", ".json": "application/json"}


class PagesJob(BaseModel):
    """What a page server serves, and to whom.

    Attributes:
        home: The installation's home.
        store: Folder or URL of the store of all runs.
        installation: What the server answers at `/installation`, so that another process knows it again.
        names: Names of hosts by which it may be asked, besides those of loopback.
        descriptor: A listening socket that the process has inherited.
        parent: The process that the server ends with; None for a server of its own.
    """

    home: Path
    store: str
    installation: str
    names: tuple[str, ...] = ()
    descriptor: int
    parent: int | None = None


class _Guard:
    """Refuses requests under foreign names, and adds the headers to all answers."""

    def __init__(self, app: ASGIApp, names: tuple[str, ...]) -> None:
        self._app = app
        self._names = {*LOOPBACK, *names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        if scope["type"] == "http" and _host(Request(scope)) not in self._names:
            told = (
                "this server has another name: DISTIL_DAG_PAGES_URL tells it the name that it is asked by\n"
            )
            await PlainTextResponse(told, 421)(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)


def application(pages: Pages, installation: str, names: tuple[str, ...] = ()) -> ASGIApp:
    """The routes of a page server; all of them only read.

    Args:
        pages: What may be read.
        installation: What it answers at `/installation`.
        names: Names of hosts by which it may be asked, besides those of loopback.
    """
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    template = jinja2.Environment(
        loader=folder, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    ).get_template("pages.html.jinja")

    def index(request: Request) -> Response:
        return HTMLResponse(
            template.render(
                title="Runs of distil_dag", message="", runs=pages.runs(), servers=pages.server_logs()
            )
        )

    def run_file(request: Request) -> Response:
        name = request.path_params["name"]
        content = pages.of_run(request.path_params["run"], name)
        return Response(content, media_type=_TYPES.get(Path(name).suffix, "text/plain"))

    def server_log(request: Request) -> Response:
        return PlainTextResponse(pages.of_server(request.path_params["name"]))

    def missing(request: Request, error: Exception) -> Response:
        said = str(error) if isinstance(error, FileNotFoundError) else "there is no such page"
        return HTMLResponse(template.render(title="Not found", message=said, runs=[], servers=[]), 404)

    routes = [
        Route("/", index),
        Route("/installation", lambda request: PlainTextResponse(installation)),
        Route("/runs/{run}/{name}", run_file),
        Route("/servers/{name:path}", server_log),
    ]
    app = Starlette(routes=routes, exception_handlers={404: missing, FileNotFoundError: missing})
    return _Guard(app, names)


def serve(job: PagesJob) -> None:
    """Serve until the process is interrupted, terminated, or its parent has ended."""
    if job.parent is not None:
        end_with_parent()
        if os.getppid() != job.parent:
            return  # it had ended before the kernel was asked
    app = application(Pages(job.home, RunStore(job.store)), job.installation, job.names)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
    )
    with socket.socket(fileno=job.descriptor) as listening, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def _host(request: Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


if __name__ == "__main__":
    serve(PagesJob.model_validate_json(sys.stdin.read()))

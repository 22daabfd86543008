"""`distil-dag ui` and `distil-dag pages`: Dagster's web page, and the pages that its links lead to."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn
from urllib.request import urlopen

from distil_dag.cli.listening import listen, need
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.resources.pages import installation_name, pages_host, pages_port, pages_url, port_file

if TYPE_CHECKING:
    from distil_dag.entrypoints.pages import PagesJob

_WEB_PAGE = "the web page", "distil_dag[ui]"


def serve_dagster(host: str, port: int) -> NoReturn:
    """Replace this process by Dagster's, so that whatever ends this command ends the servers too.

    Args:
        host: The address to listen on.
        port: The port of the web page.

    Raises:
        CommandError: The webserver is not installed, or the port is taken.
    """
    need(("dagster_webserver",), *_WEB_PAGE)
    listen(host, port).close()
    places = deployment()
    with places.instance():
        pass  # writes the instance's settings before Dagster reads them
    print(f"Dagster: http://{host}:{port} (Ctrl-C ends it)", flush=True)
    print(_pages_beside(places, host), flush=True)
    # Dagster's warning advises a command that needs another project layout, so warnings are off.
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "dagster",
        "dev",
        "--module-name",
        "distil_dag.definitions",
    ]
    os.execv(sys.executable, [*command, "--host", host, "--port", str(port)])  # noqa: S606


def serve_pages(host: str, port: int | None) -> None:
    """Serve the pages of all runs until the process is interrupted.

    Args:
        host: The address to listen on.
        port: The port; None for that of the installation.

    Raises:
        CommandError: What serves them is not installed, or the port is taken.
    """
    need(("uvicorn",), *_WEB_PAGE)
    from distil_dag.entrypoints.pages import serve

    places = deployment()
    listening = listen(host, port or pages_port(places.home))
    at = pages_url(places.home) if port is None else f"http://{host}:{port}"
    print(f"Reports, model cards and logs: {at} (Ctrl-C ends it)", flush=True)
    serve(_job(places, listening))


def _pages_beside(places: Deployment, host: str) -> str:
    """Start the page server in a process that ends with this one.

    Returns:
        Where it is, or why it is not there and what to do.
    """
    port = pages_port(places.home)
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        if _answers(port) == installation_name(places.home):
            return f"Reports, model cards and logs: {pages_url(places.home)} (served already)"
        return (
            f"Reports, model cards and logs: not served, {host}:{port} cannot be had ({error.strerror}). End "
            f"what uses it, then `distil-dag pages`; or write another port into {port_file(places.home)}, "
            "and the links of earlier runs lead nowhere"
        )
    job = _job(places, listening, parent=os.getpid())
    with listening:
        server = subprocess.Popen(
            [sys.executable, "-m", "distil_dag.entrypoints.pages"],
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
        )
    assert server.stdin is not None
    with server.stdin as told:
        told.write(job.model_dump_json().encode())
    return f"Reports, model cards and logs: {pages_url(places.home)}"


def _job(places: Deployment, listening: socket.socket, parent: int | None = None) -> PagesJob:
    from distil_dag.entrypoints.pages import PagesJob

    return PagesJob(
        home=places.home,
        store=places.store,
        installation=installation_name(places.home),
        names=pages_host(),
        descriptor=listening.fileno() if parent else listening.detach(),
        parent=parent,
    )


def _answers(port: int) -> str:
    """What a page server on loopback says of itself; empty where none answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/installation", timeout=2) as answer:
            return str(answer.read(64).decode())
    except (OSError, ValueError):
        return ""

"""`distil-dag ui`: Dagster's webserver and daemon on this installation's instance."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from typing import NoReturn

from distil_dag.cli.errors import CommandError
from distil_dag.resources.deployment import deployment


def serve(host: str, port: int) -> NoReturn:
    """Become Dagster's process, so that whatever ends this command ends the servers too.

    Raises CommandError when the webserver is not installed or the port is taken.
    """
    if importlib.util.find_spec("dagster_webserver") is None:
        raise CommandError("the web page needs dagster-webserver: pip install 'distil_dag[ui]'", exit_code=1)
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        told = f"{host}:{port} cannot be served ({error.strerror}): choose another with --port"
        raise CommandError(told, exit_code=1) from error
    with deployment().instance():
        pass  # its settings are in place before anything reads them
    print(f"Dagster: http://{host}:{port} (Ctrl-C ends it)", flush=True)
    # Dagster's own warning advises a command that wants a project of its own layout.
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

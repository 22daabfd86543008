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
    """Replace this process by Dagster's, so that whatever ends this command ends the servers too.

    Args:
        host: The address to listen on.
        port: The port of the web page.

    Raises:
        CommandError: The webserver is not installed, or the port is taken.
    """
    if importlib.util.find_spec("dagster_webserver") is None:
        raise CommandError("the web page needs dagster-webserver: pip install 'distil_dag[ui]'", exit_code=1)
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        told = f"{host}:{port} cannot be served ({error.strerror}): choose another with --port"
        raise CommandError(told, exit_code=1) from error
    with deployment().instance():
        pass  # writes the instance's settings before Dagster reads them
    print(f"Dagster: http://{host}:{port} (Ctrl-C ends it)", flush=True)
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

"""`distil-dag ui`: Dagster's webserver and daemon on this installation's instance."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from distil_dag.cli.errors import CommandError
from distil_dag.resources.deployment import deployment


def serve(host: str, port: int) -> int:
    """Serve until interrupted; returns the exit code."""
    if importlib.util.find_spec("dagster_webserver") is None:
        raise CommandError("the web page needs dagster-webserver: pip install 'distil_dag[ui]'", exit_code=1)
    with deployment().instance():
        pass  # its settings are in place before anything reads them
    print(f"Dagster: http://{host}:{port} (Ctrl-C ends it)", flush=True)
    command = [sys.executable, "-m", "dagster", "dev", "--module-name", "distil_dag.definitions"]
    process = subprocess.Popen([*command, "--host", host, "--port", str(port)])  # noqa: S603
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # it was told as well, and takes a moment to end its own

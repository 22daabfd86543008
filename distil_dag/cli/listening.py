"""What commands that listen on a port need: their packages, and the port."""

from __future__ import annotations

import importlib.util
import socket

from distil_dag.cli.errors import CommandError


def need(modules: tuple[str, ...], what: str, extra: str) -> None:
    """Make sure that packages are installed.

    Args:
        modules: The modules that are imported.
        what: What needs them.
        extra: What to install.

    Raises:
        CommandError: One is not installed.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            told = f"{what} needs {module.replace('_', '-')}: pip install '{extra}'"
            raise CommandError(told, exit_code=1)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: The address.
        port: The port; 0 for a free one.

    Raises:
        CommandError: The port is taken, or the address is none of this machine.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        told = f"{host}:{port} cannot be served ({error.strerror}): choose another with --port"
        raise CommandError(told, exit_code=1) from error

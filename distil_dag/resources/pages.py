"""Links to what the page server of an installation shows: reports, model cards, logs.

A link stands in Dagster's events for good, and may be written before any server runs. So an installation
chooses a port once. `DISTIL_DAG_PAGES_URL` names the address of a server that is reached by another one.
"""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from urllib.parse import quote, urlsplit

import dagster as dg

from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.locks import locked
from distil_dag.core.files import write_whole
from distil_dag.runs.pages import stored_page

Metadata = dict[str, dg.MetadataValue]  # type: ignore[type-arg]

_FIRST_PORT = 3001
_PORTS = 200


def pages_url(home: Path) -> str:
    """Address of the page server, without a slash at its end: `DISTIL_DAG_PAGES_URL`, or loopback.

    Raises:
        ValueError: The variable holds no address of a web page.
    """
    return _told_url() or f"http://127.0.0.1:{pages_port(home)}"


def pages_host() -> tuple[str, ...]:
    """The name of the host in `DISTIL_DAG_PAGES_URL`; nothing where that is not set."""
    told = _told_url()
    return (urlsplit(told).hostname or "",) if told else ()


def port_file(home: Path) -> Path:
    """The file that keeps the port of an installation's page server."""
    return home / "pages.port"


def pages_port(home: Path) -> int:
    """Port of the page server; the first use chooses a free one and keeps it for good.

    Raises:
        ValueError: The file that keeps it holds no port.
    """
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / ".pages.lock"):  # two first uses would choose two ports
        file = port_file(home)
        if not file.exists():
            write_whole(file, f"{_free_port()}\n".encode())
        text = file.read_text(encoding="utf-8").strip()
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise ValueError(f"{file} holds {text!r} and no port: write one into it, or delete it")
    return int(text)


def installation_name(home: Path) -> str:
    """A name of the installation that does not tell where it lies."""
    return hashlib.sha256(str(home).encode()).hexdigest()[:16]


def page_metadata(store: RunStore, home: Path | None, run: str, name: str, page: str) -> Metadata:
    """A link to a page of a run that a browser can open, and the page's path to copy.

    A store on another machine is linked where `DISTIL_DAG_PAGES_URL` says who shows it, or where the store
    itself is on the web.

    Args:
        store: The store of all runs.
        home: The installation's home; None for a store without an installation.
        run: Key of the run.
        name: Name of the metadata.
        page: Public name of the page.
    """
    path = stored_page(store, run, page)
    links: Metadata = {}
    if home is not None and (store.is_local or _told_url()):
        links[name] = dg.MetadataValue.url(f"{pages_url(home)}/runs/{quote(run)}/{page}")
    elif path.protocol in ("http", "https"):
        links[name] = dg.MetadataValue.url(str(path))
    return {**links, f"{name}_path": dg.MetadataValue.path(str(path))}


def log_metadata(home: Path, log: Path, name: str, page: str) -> Metadata:
    """A link to a log that a browser can open, and the log's path to copy.

    Args:
        home: The installation's home.
        log: The log file.
        name: Name of the metadata.
        page: Path of its page, without a slash at its beginning.
    """
    return {
        name: dg.MetadataValue.url(f"{pages_url(home)}/{quote(page)}"),
        f"{name}_path": dg.MetadataValue.path(str(log)),
    }


def _told_url() -> str:
    told = os.environ.get("DISTIL_DAG_PAGES_URL", "").rstrip("/")
    parts = urlsplit(told)
    if told and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
        raise ValueError(
            "DISTIL_DAG_PAGES_URL is not the address of a web page, such as https://pages.example.org: it is "
            "kept with runs, so it holds no user and no password"
        )
    return told


def _free_port() -> int:
    """The first port from 3001 on where nobody listens on loopback."""
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            continue
    raise ValueError(f"no port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1} is free for the page server")

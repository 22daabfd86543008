"""From where exchanges are to be kept, as a user writes it, to their log."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from distil_dag.adapters.serving.exchanges.background import BackgroundLog
from distil_dag.adapters.serving.exchanges.files import open_folder
from distil_dag.adapters.serving.exchanges.sql import SqlStore
from distil_dag.adapters.serving.exchanges.store import Store
from distil_dag.stages.serving.exchange import Exchange
from distil_dag.stages.serving.exchanges.redacting import redacted

SETTING = "serving.log"
_DATABASE = re.compile(r"^(sqlite|postgres(?:ql)?)(\+\w+)?://")
_FILES = (".sqlite", ".sqlite3", ".db")


def database_url(address: str) -> str | None:
    """The URL of the database at an address; None for an address of files.

    Args:
        address: as of :func:`open_exchange_log`.
    """
    if _DATABASE.match(address):
        return address.replace("postgres://", "postgresql://", 1)
    if address.endswith(_FILES) and "://" not in address:
        return f"sqlite:///{Path(address).expanduser().absolute()}"
    return None


def open_store(address: str) -> Store:
    """The place at an address; see :func:`open_exchange_log`.

    Raises:
        SourceError: it can't be used.
    """
    url = database_url(address)
    return SqlStore(url, SETTING) if url else open_folder(address, SETTING)


def open_exchange_log(address: str, redact: Collection[str] = (), bound: int = 4096) -> BackgroundLog:
    """A log of exchanges; close it at the end, so that what waits is written.

    Args:
        address: a file `….sqlite`, the URL of an SQLite or Postgres database, or a folder of JSON lines: a
            path, or any URL that universal-pathlib reads, such as `s3://bucket/prefix`. `${NAME}` is read
            from the environment.
        redact: names of the tasks whose exchanges lose their personal data before they are written.
        bound: how many exchanges may wait while the place does not answer.

    Raises:
        SourceError: the place can't be used.
    """

    def prepare(exchange: Exchange) -> Exchange:
        return redacted(exchange) if exchange.task in redact else exchange

    return BackgroundLog(open_store(address), prepare, bound)

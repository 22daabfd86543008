"""An exchange as a row of a table or a line of a file, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from distil_dag.stages.serving.exchange import Exchange

Row = dict[str, Any]
NESTED = ("request", "response", "other")
"""Columns that hold JSON; a table has it as text."""
_NAMES = tuple(field.name for field in fields(Exchange))
_FLAGS = ("agrees", "audited")


def row_of(exchange: Exchange) -> Row:
    """The exchange as column -> value.

    Returns:
        Bodies as JSON text, the time as ISO 8601 in UTC with microseconds, so that texts sort as times do.

    Raises:
        TypeError: a body holds what JSON does not have.
        ValueError: a body holds itself.
    """
    row: Row = {}
    for name in _NAMES:
        value = getattr(exchange, name)
        if name in NESTED:
            value = None if value is None else _dumped(value)
        elif isinstance(value, str):
            value = _storable(value)
        row[name] = value
    row["time"] = exchange.time.astimezone(UTC).isoformat(timespec="microseconds")
    return row


def line_of(row: Row) -> str:
    """A row as a line of JSON, its bodies as objects; with its newline."""
    scalars = {name: value for name, value in row.items() if name not in NESTED}
    bodies = (f', "{name}": {row[name]}' for name in NESTED if row[name] is not None)
    return f"{json.dumps(scalars, ensure_ascii=False)[:-1]}{''.join(bodies)}}}\n"


def exchange_of(row: Mapping[str, Any]) -> Exchange:
    """The exchange that a row, or the object of a line, holds.

    Args:
        row: column -> value; further columns are passed over, and so are absent ones with a default.

    Raises:
        ValueError: it holds no exchange.
    """
    values = {name: row[name] for name in _NAMES if row.get(name) is not None}
    try:
        for name in NESTED:
            if isinstance(values.get(name), str):
                values[name] = json.loads(values[name])
        for name in _FLAGS:
            if name in values:
                values[name] = bool(values[name])
        time = values["time"]
        time = time if isinstance(time, datetime) else datetime.fromisoformat(time)
        values["time"] = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        return Exchange(**{"teacher": None, **values})
    except (TypeError, KeyError) as error:
        raise ValueError(f"the row holds no exchange: {type(error).__name__}: {error}") from None


def _dumped(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, ensure_ascii=False, default=_plain)
    return text if _is_storable(text) else json.dumps(body, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a body holds {type(value).__name__}, which JSON does not have")


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can hold
        return False
    return True


def _storable(text: str) -> str:
    """A text that every database takes: Postgres has no U+0000."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")

"""Logfire: spans of models, from the table of all records.

`GET /v1/query` answers SQL, with at most 10,000 rows: pages go on behind the last row's start and ids.
A read token says by its name in which region its project is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.adapters.logs.apis.service import Service, Window, address, iso, json_of
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.api_sources import LogfireSource

_PAGE = 1000
_BEGINNING = "2020-01-01T00:00:00Z"
_PLACE = ("start_timestamp", "trace_id", "span_id")
_COLUMNS = ", ".join(
    (
        *_PLACE, "end_timestamp", "parent_span_id", "span_name", "otel_scope_name", "attributes",
        "otel_events", "otel_status_code",
    )
)  # fmt: skip
_EU = "pylf_v1_eu_"


def service(source: LogfireSource) -> Service:
    """The Logfire project of a source."""

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        ends = {"min_timestamp": iso(window.since) if window.since else _BEGINNING}
        where = [f"({source.filter})"]
        if window.since and window.until:
            where.append(f"start_timestamp >= {_text(iso(window.since))}")
            where.append(f"start_timestamp < {_text(iso(window.until))}")
        place = ""
        while True:
            parts = ["SELECT", _COLUMNS, "FROM records WHERE", " AND ".join(filter(None, [*where, place]))]
            parts += ["ORDER BY", ", ".join(_PLACE), "LIMIT", str(_PAGE)]
            asked = {"sql": " ".join(parts), "json_rows": "true", "limit": _PAGE, **ends}
            answer = json_of(client.get("v1/query", params=asked, headers={"Accept": "application/json"}))
            rows = answer.get("rows") if isinstance(answer, dict) else None
            if not isinstance(rows, list):
                raise SourceError("gives an answer without `rows`")
            yield rows
            if len(rows) < _PAGE:
                return
            before, place = place, _behind(rows[-1])
            if place == before:
                raise SourceError("the pages repeat and come to no end")

    region = "eu" if os.environ.get("LOGFIRE_READ_TOKEN", "").startswith(_EU) else "us"
    return Service(
        url=address(source.url, ("LOGFIRE_BASE_URL",), f"https://logfire-{region}.pydantic.dev"),
        pages=pages,
        auth={"type": "bearer", "token": source.read_token},
    )


def _behind(row: Any) -> str:
    if not isinstance(row, Mapping) or any(row.get(name) is None for name in _PLACE):
        raise SourceError("gives a row without start, trace and span")
    return f"({', '.join(_PLACE)}) > ({', '.join(_text(str(row[name])) for name in _PLACE)})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

"""Datadog: logs that a search selects, oldest first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from distil_dag.adapters.logs.apis.aggregators.lines import Lines
from distil_dag.adapters.logs.apis.service import Service, Window
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable
from distil_dag.core.api_sources import DatadogSource

_PATH = "api/v2/logs/events/search"
_LONGEST_WAIT = 3600.0
_MOST_EMPTY = 100


def service(source: DatadogSource) -> Service:
    """The account of a source."""

    def pages(client: Any, window: Window) -> Iterator[list[RawRecord]]:
        lines = Lines(source)
        until = window.until or datetime.now(UTC)
        since = window.since or until - timedelta(days=source.days)
        body: dict[str, Any] = {
            "filter": {
                "query": source.query,
                "indexes": source.indexes,
                "from": since.isoformat(),
                "to": until.isoformat(),
            },
            "sort": "timestamp",
            "page": {"limit": source.page_records},
        }
        cursor, empty = None, 0
        while True:
            response = client.request(_PATH, method="POST", json=body)
            response.raise_for_status()
            found = response.json()
            meta = found.get("meta") or {}
            _check(meta)
            yield [record for event in found.get("data") or () for record in _records(event, lines)]
            before, cursor = cursor, (meta.get("page") or {}).get("after")
            if not cursor:
                return
            empty = 0 if found.get("data") else empty + 1
            if cursor == before or empty > _MOST_EMPTY:
                raise SourceUnavailable("gives page after page without a new one; try again later")
            body["page"]["cursor"] = cursor
            _wait(response.headers)

    return Service(
        url=source.url or f"https://api.{source.site}",
        pages=pages,
        headers={"DD-API-KEY": source.api_key, "DD-APPLICATION-KEY": source.application_key},
    )


def _check(meta: Mapping[str, Any]) -> None:
    """Check that an answer is all that was asked for."""
    if meta.get("status") == "timeout":
        raise SourceUnavailable("did not finish the search in time; narrow traces.query, or try again later")
    for warning in meta.get("warnings") or ():
        if warning.get("code") == "unknown_index":
            raise SourceError(f"traces.indexes: {warning.get('detail') or warning.get('title')}")


def _records(event: Mapping[str, Any], lines: Lines) -> Iterator[RawRecord]:
    held = event.get("attributes") or {}
    # A line of JSON is taken apart where it is received: its fields are attributes then.
    inside = (held.get("attributes"), held.get("message"))
    return lines.records(held, str(event.get("id")), held.get("timestamp"), inside=inside)


def _wait(headers: Mapping[str, str]) -> None:
    """Wait for the next period where the requests of this one are used up."""
    try:
        left, seconds = int(headers["X-RateLimit-Remaining"]), float(headers["X-RateLimit-Reset"])
    except (KeyError, ValueError):
        return
    if left <= 0:
        time.sleep(min(max(seconds, 0.0), _LONGEST_WAIT))

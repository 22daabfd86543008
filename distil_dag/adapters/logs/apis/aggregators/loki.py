"""Grafana Loki: lines of the streams that a LogQL query selects, oldest first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from distil_dag.adapters.logs.apis.aggregators.lines import Lines, moment, nanoseconds
from distil_dag.adapters.logs.apis.service import Service, Window, json_of
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.api_sources import LokiSource

_PATH = "loki/api/v1/query_range"
# Loki refuses to search more than 30 days at once, unless it is told otherwise.
_AT_ONCE = timedelta(days=7)


class _Entry(NamedTuple):
    time: int
    name: str
    line: str


def service(source: LokiSource) -> Service:
    """The Loki of a source."""

    def pages(client: Any, window: Window) -> Iterator[list[RawRecord]]:
        lines = Lines(source)
        end = window.until or datetime.now(UTC)
        start = window.since or end - timedelta(days=source.days)
        while start < end:
            stop = min(start + _AT_ONCE, end)
            for entries in _entries(client, source, nanoseconds(start), nanoseconds(stop)):
                yield [
                    record
                    for entry in entries
                    for record in lines.records(entry.line, entry.name, moment(entry.time))
                ]
            start = stop

    headers = {"X-Scope-OrgID": source.tenant} if source.tenant else {}
    return Service(url=source.url, pages=pages, headers=headers, auth=_auth(source))


def _entries(client: Any, source: LokiSource, start: int, stop: int) -> Iterator[list[_Entry]]:
    """Entries of a range: each page begins with the nanosecond that the page before has ended in."""
    given: set[str] = set()
    while True:
        params = {
            "query": source.query,
            "start": start,
            "end": stop,
            "limit": source.page_records,
            "direction": "forward",
        }
        found = _read(json_of(client.get(_PATH, params=params)))
        yield [entry for entry in found if entry.name not in given]
        if len(found) < source.page_records:
            return
        newest = found[-1].time
        if found[0].time == newest:
            raise SourceError(
                f"has {len(found)} lines or more of one nanosecond, {moment(newest)}: raise "
                "traces.page_records (and max_entries_limit_per_query of Loki), or select fewer streams"
            )
        start, given = newest, {entry.name for entry in found if entry.time == newest}


def _read(found: Any) -> list[_Entry]:
    data = found.get("data", {})
    if data.get("resultType") != "streams":
        raise SourceError(f"traces.query selects no lines, but gives a {data.get('resultType')}")
    entries = [
        _Entry(int(time), _name(stream.get("stream"), time, line), line)
        for stream in data.get("result") or ()
        for time, line, *_ in stream["values"]
    ]
    return sorted(entries)


def _name(labels: Any, time: str, line: str) -> str:
    """An id: Loki gives none, and keeps equal lines of one stream and nanosecond once."""
    text = json.dumps([labels, time, line], sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:24]


def _auth(source: LokiSource) -> dict[str, Any] | None:
    if source.user:
        return {"type": "http_basic", "username": source.user, "password": source.password or ""}
    return {"type": "bearer", "token": source.token} if source.token else None

"""LiteLLM proxy: rows of its spend logs, from `/spend/logs/v2`, and what was said from the details of each.

The list holds no content. Its places shift while calls are logged, and its windows end at whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from distil_dag.adapters.logs.apis.by_time import Answer, pages_by_time
from distil_dag.adapters.logs.apis.service import Service, Window, bearer, json_of
from distil_dag.adapters.logs.apis.together import together
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.api_sources import LitellmSource
from distil_dag.stages.reading.strict_values import read_time

_PAGE = 100
_SECOND = timedelta(seconds=1)


def service(source: LitellmSource) -> Service:
    """The API of a `litellm` source."""

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        def ask(since: datetime, until: datetime, number: Any) -> Answer:
            params = {
                "start_date": _written(since),
                "end_date": _written(until + _SECOND),
                "page": number or 1,
                "page_size": _PAGE,
                "sort_by": "startTime",
                "sort_order": "asc",
            }
            said = json_of(client.get("spend/logs/v2", params=params))
            rows = said["data"]
            return Answer(rows, said["page"] + 1 if len(rows) == _PAGE else None)

        for rows in pages_by_time(ask, window, _time, _SECOND):
            yield together(lambda row: _whole(client, row), rows)

    return Service(url=source.url, pages=pages, auth=bearer(source.api_key))


def _whole(client: Any, row: Any) -> Any:
    """A row with what was said."""
    details = json_of(client.get(f"spend/logs/ui/{quote(row['request_id'], safe='')}"))
    return {**row, **(details or {})}


def _written(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _time(row: Any) -> datetime:
    time = read_time(row.get("startTime"))
    if time is None:
        raise SourceError(f"LiteLLM gives no startTime of call {row.get('request_id')}")
    return time

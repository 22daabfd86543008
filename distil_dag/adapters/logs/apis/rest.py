"""Any HTTP API, as its task describes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from distil_dag.adapters.logs.apis.service import Service, Window
from distil_dag.core.api_sources import RestSource

_PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "nanoseconds": 10**9}


def service(source: RestSource) -> Service:
    """The API of a `rest` source."""

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        from dlt.sources.rest_api.config_setup import create_paginator

        ends = {
            name: _written(time, source.times)
            for name, time in (("since", window.since), ("until", window.until))
        }
        yield from client.paginate(
            source.path,
            method=source.method,
            params=_filled(source.params, ends),
            json=_filled(source.body, ends),
            paginator=create_paginator(source.paginator) if source.paginator else None,  # type: ignore[arg-type]
            data_selector=source.records,
        )

    return Service(url=source.url, pages=pages, headers=source.headers, auth=source.auth)


def _written(time: datetime | None, form: str) -> str | None:
    if time is None:
        return None
    return time.isoformat() if form == "iso" else str(int(time.timestamp() * _PER_SECOND[form]))


def _filled(value: Any, ends: dict[str, str | None]) -> Any:
    """A value with the window's ends; what names an end that is not there is left out."""
    if isinstance(value, dict):
        filled = {name: _filled(inner, ends) for name, inner in value.items()}
        return {name: inner for name, inner in filled.items() if inner is not None}
    if isinstance(value, list):
        return [inner for inner in (_filled(inner, ends) for inner in value) if inner is not None]
    if not isinstance(value, str):
        return value
    for name, end in ends.items():
        sign = f"{{{name}}}"
        if sign in value and end is None:
            return None
        value = value.replace(sign, end or "")
    return value

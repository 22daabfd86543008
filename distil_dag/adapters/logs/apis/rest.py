"""Any HTTP API, as its task describes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from distil_dag.adapters.logs.apis.aggregators.lines import Lines
from distil_dag.adapters.logs.apis.service import Service, Window, iso
from distil_dag.adapters.system.environment import SourceError, expand
from distil_dag.core.api_sources import RestSource

_NEXT = ("next", "has_more", "hasmore")
_END = re.compile(r"(?<!\$)\{(since|until)\}")
_PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "nanoseconds": 10**9}
# An API may leave out the ends that it is given; the time column cuts what is too much.
_MORE = timedelta(seconds=1)


def service(source: RestSource) -> Service:
    """The API of a `rest` source.

    Raises:
        SourceError: `paginator` or `records` can't be used.
    """
    _paginator(source)
    _check_path(source.records)

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        lines = Lines(source) if source.message else None
        ends = {
            "since": _written(window.since and window.since - _MORE, source.times),
            "until": _written(window.until and window.until + _MORE, source.times),
        }
        for page in client.paginate(
            expand(source.path, "traces.path"),
            method=source.method,
            params=_filled(source.params, ends, "traces.params"),
            json=_filled(source.body, ends, "traces.body"),
            paginator=_paginator(source),
            data_selector=source.records,
        ):
            if source.paginator is None:
                _check_told(page)
            if not page and source.records:
                _check_found(source.records, page.response)
            yield page if lines is None else [record for entry in page for record in lines.of_object(entry)]

    return Service(url=source.url, pages=pages, headers=source.headers, auth=source.auth)


def _paginator(source: RestSource) -> Any:
    from dlt.sources.rest_api.config_setup import create_paginator

    try:
        return create_paginator(source.paginator) if source.paginator else None  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise SourceError(f"traces.paginator can't be used: {error}") from None


def _check_path(records: str | None) -> None:
    from dlt.common import jsonpath

    try:
        jsonpath.compile_path(records or "$")
    except Exception as error:  # the library raises Exception itself
        raise SourceError(f"traces.records: {records!r} is no JSONPath: {error}") from None


def _check_told(page: Any) -> None:
    """The answer itself says how its pages go on: what it holds may be the first of many."""
    from dlt.sources.helpers.rest_client.paginators import SinglePagePaginator

    if isinstance(page.paginator, SinglePagePaginator) and not _is_last(page.response.json()):
        raise SourceError(
            "does not say by its answer how its pages go on: set traces.paginator, to {type: single_page} "
            "where there is one page"
        )


def _is_last(answer: Any) -> bool:
    """Whether an answer says that no other follows: an empty `next` or the like."""
    return isinstance(answer, dict) and any(
        (name.lower().startswith(_NEXT) and not held) or _is_last(held) for name, held in answer.items()
    )


def _check_found(records: str, response: Any) -> None:
    """An answer without records has at least the place for them."""
    from dlt.common import jsonpath

    answer = response.json()
    if not jsonpath.find_values(records.removesuffix("[*]"), answer):
        has = ", ".join(map(str, answer)) if isinstance(answer, dict) else f"a {type(answer).__name__}"
        raise SourceError(f"traces.records: nothing stands at {records!r} of an answer; it has {has[:200]}")


def _written(time: datetime | None, form: str) -> str | int | None:
    if time is None:
        return None
    return iso(time) if form == "iso" else max(int(time.timestamp()), 0) * _PER_SECOND[form]


def _filled(value: Any, ends: dict[str, str | int | None], setting: str) -> Any:
    """A value with variables and the window's ends; what names an end that is not there is left out."""
    if isinstance(value, dict):
        filled = {name: _filled(inner, ends, f"{setting}.{name}") for name, inner in value.items()}
        return {name: inner for name, inner in filled.items() if inner is not None}
    if isinstance(value, list):
        return [inner for inner in (_filled(inner, ends, setting) for inner in value) if inner is not None]
    if not isinstance(value, str):
        return value
    named = _END.findall(value)
    if any(ends[name] is None for name in named):
        return None
    if _END.fullmatch(value):
        return ends[named[0]]  # a number stays one
    return expand(_END.sub(lambda found: str(ends[found[1]]), value), setting)

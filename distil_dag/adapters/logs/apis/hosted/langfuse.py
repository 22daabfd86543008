"""Langfuse: the generations of a project.

`GET /api/public/v2/observations` gives them by a cursor, on Langfuse Cloud and on own servers from version 4.
Older servers have `GET /api/public/observations`, which counts pages. They take `fromStartTime` (inclusive),
`toStartTime` (exclusive) and the project's public and secret key as user and password.

Scores of observations and of whole traces stand in `GET /api/public/v3/scores`, since version 3.179.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from distil_dag.adapters.logs.apis.feedback import with_scores
from distil_dag.adapters.logs.apis.service import Service, Window, address, iso, refused_with
from distil_dag.core.api_sources import LangfuseSource

_PAGE = 100
_SCORES, _TRACES_AT_ONCE = "api/public/v3/scores", 50
_SCORED = ("NUMERIC", "BOOLEAN", "CATEGORICAL")  # others are texts, such as a corrected answer
_V2, _V1 = "api/public/v2/observations", "api/public/observations"


def service(source: LangfuseSource) -> Service:
    """The Langfuse project of a source."""

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        from requests import HTTPError

        asked: dict[str, Any] = {"type": "GENERATION", "limit": _PAGE}
        if source.environment:
            asked["environment"] = source.environment
        if window.since and window.until:
            asked |= {"fromStartTime": iso(window.since), "toStartTime": iso(window.until)}
        try:
            yield from (_scored(client, page) for page in _by_cursor(client, asked))
        except HTTPError as error:
            if not refused_with(error, 404):
                raise
            yield from (_scored(client, page) for page in _by_number(client, asked))

    return Service(
        url=address(source.url, ("LANGFUSE_BASE_URL", "LANGFUSE_HOST"), "https://cloud.langfuse.com"),
        pages=pages,
        auth={"type": "http_basic", "username": source.public_key, "password": source.secret_key},
    )


def _by_cursor(client: Any, asked: dict[str, Any]) -> Iterator[list[Any]]:
    from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

    yield from client.paginate(
        _V2,
        params={**asked, "fields": "core,basic,io,model"},
        paginator=JSONResponseCursorPaginator(cursor_path="meta.cursor", cursor_param="cursor"),
        data_selector="data",
    )


def _by_number(client: Any, asked: dict[str, Any]) -> Iterator[list[Any]]:
    from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

    yield from client.paginate(
        _V1,
        params=asked,
        paginator=PageNumberPaginator(base_page=1, total_path="meta.totalPages"),
        data_selector="data",
    )


def _scored(client: Any, page: list[Any]) -> list[Any]:
    """Observations with their own scores, and those of their traces."""
    from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

    def ask(traces: list[str]) -> Iterator[tuple[str, Any]]:
        asked = {
            "traceId": ",".join(traces),
            "dataType": ",".join(_SCORED),
            "fields": "core,subject",
            "limit": _PAGE,
        }
        for scores in client.paginate(
            _SCORES,
            params=asked,
            paginator=JSONResponseCursorPaginator(cursor_path="meta.cursor", cursor_param="cursor"),
            data_selector="data",
        ):
            for one in scores:
                yield one["subject"]["id"], {"name": one["name"], "value": one["value"]}

    return with_scores(
        page,
        "scores",
        lambda record: record.get("traceId"),
        lambda record: (record.get("id"), record.get("traceId")),
        ask,
        _TRACES_AT_ONCE,
    )

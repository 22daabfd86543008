"""Arize Phoenix: the spans of a project, from `GET /v1/projects/{project}/spans`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from distil_dag.adapters.logs.apis.service import Service, Window, bearer
from distil_dag.core.api_sources import PhoenixSource

_PAGE = 200


def service(source: PhoenixSource) -> Service:
    """The API of a `phoenix` source."""

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

        # In the order of writing: a span that is written meanwhile stands behind all others, and the spans
        # within a span, which end before it, come first.
        params: dict[str, Any] = {"limit": _PAGE, "sort": "id", "order": "asc"}
        if window.since:
            params["start_time"] = window.since.isoformat()
        if window.until:
            params["end_time"] = window.until.isoformat()
        for page in client.paginate(
            f"v1/projects/{quote(source.project, safe='')}/spans",
            params=params,
            paginator=JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_param="cursor"),
            data_selector="data",
        ):
            yield [_span(span) for span in page]

    return Service(url=source.url, pages=pages, auth=bearer(source.api_key))


def _span(record: Any) -> Any:
    """A span without its row's number, so that its id is that of the trace and the span."""
    return {name: value for name, value in record.items() if name != "id"} if "context" in record else record

"""Arize Phoenix: the spans of a project, from `GET /v1/projects/{project}/spans`, with their annotations.

Annotations of spans and of whole traces stand in `/span_annotations` and `/trace_annotations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from distil_dag.adapters.logs.apis.feedback import with_scores
from distil_dag.adapters.logs.apis.service import Service, Window, bearer
from distil_dag.core.api_sources import PhoenixSource

_PAGE = 200
# So that an address stays below the 8 KB that proxies take.
_AT_ONCE = 150
_MOST_SCORES = 1000


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
        project = f"v1/projects/{quote(source.project, safe='')}"
        for page in client.paginate(
            f"{project}/spans",
            params=params,
            paginator=JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_param="cursor"),
            data_selector="data",
        ):
            spans = [_span(span) for span in page]
            for kind in ("span", "trace"):
                spans = _annotated(client, project, kind, spans)
            yield spans

    return Service(url=source.url, pages=pages, auth=bearer(source.api_key))


def _annotated(client: Any, project: str, kind: str, spans: list[Any]) -> list[Any]:
    from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

    def ask(ids: list[str]) -> Iterator[tuple[str, Any]]:
        for page in client.paginate(
            f"{project}/{kind}_annotations",
            params={f"{kind}_ids": ids, "limit": _MOST_SCORES},
            paginator=JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_param="cursor"),
            data_selector="data",
        ):
            for one in page:
                yield one[f"{kind}_id"], {"name": one.get("name"), "result": one.get("result")}

    def its_id(span: dict[str, Any]) -> Any:
        return (span.get("context") or {}).get(f"{kind}_id")

    return with_scores(spans, "annotations", its_id, lambda span: [its_id(span)], ask, _AT_ONCE)


def _span(record: Any) -> Any:
    """A span without its row's number, so that its id is that of the trace and the span."""
    return {name: value for name, value in record.items() if name != "id"} if "context" in record else record

"""Helicone: requests that went through its proxy, with their bodies.

`POST /v1/request/query-clickhouse` lists them with a filter by time, page by page. The bodies of a request
lie in an object store, under a signed address that the list gives and that needs no key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from distil_dag.adapters.logs.apis.service import Service, Window, address, iso, json_of, refused_with
from distil_dag.adapters.logs.apis.together import together
from distil_dag.core.api_sources import HeliconeSource

_PAGE = 100


def service(source: HeliconeSource) -> Service:
    """The requests of a source."""

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        from dlt.sources.helpers.rest_client.paginators import OffsetPaginator

        asked = {"filter": _filter(window), "sort": {"created_at": "asc"}, "isCached": False}
        for page in client.paginate(
            "v1/request/query-clickhouse",
            method="POST",
            json={**asked, "limit": _PAGE, "offset": 0},
            paginator=OffsetPaginator(
                limit=_PAGE, offset_body_path="offset", limit_body_path="limit", total_path=None
            ),
            data_selector="data",
        ):
            yield together(lambda one: _with_bodies(client, one), page)

    return Service(
        url=address(source.url, ("HELICONE_BASE_URL",), "https://api.helicone.ai"),
        pages=pages,
        auth={"type": "bearer", "token": source.api_key},
    )


def _filter(window: Window) -> Any:
    if window.since is None or window.until is None:
        return "all"
    return {
        "left": _leaf("gte", iso(window.since)),
        "operator": "and",
        "right": _leaf("lt", iso(window.until)),
    }


def _leaf(operator: str, time: str) -> dict[str, Any]:
    return {"request_response_rmt": {"request_created_at": {operator: time}}}


def _with_bodies(client: Any, request: Any) -> Any:
    from requests import HTTPError

    if not isinstance(request, dict):
        return request
    named = {**request, "id": request.get("request_id")}
    if not (url := request.get("signed_body_url")):
        return named
    try:
        bodies = json_of(client.get(url))
    except HTTPError as error:
        if not refused_with(error, 403, 404):
            raise
        return named  # no body was kept
    if not isinstance(bodies, dict):
        return named
    return {**named, "request_body": bodies.get("request"), "response_body": bodies.get("response")}

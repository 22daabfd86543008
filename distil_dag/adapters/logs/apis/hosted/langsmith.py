"""LangSmith: the runs of a project in which a model answered.

`POST /runs/query` gives them by a cursor, with a filter in LangSmith's query language; `GET /sessions` has
the id of a project. Both take the key in `x-api-key`, and a workspace in `x-tenant-id`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from distil_dag.adapters.logs.apis.service import Service, Window, address, iso, json_of
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.api_sources import LangsmithSource

_PAGE = 100
_BEGINNING = "2020-01-01T00:00:00Z"
_FIELDS = [
    "id", "name", "run_type", "start_time", "end_time", "inputs", "outputs", "error", "extra", "trace_id",
    "parent_run_id",
]  # fmt: skip


def service(source: LangsmithSource) -> Service:
    """The LangSmith project of a source."""
    project = source.project or os.environ.get("LANGSMITH_PROJECT") or "default"

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

        asked = {
            "session": [_session(client, project)],
            "run_type": "llm",
            "limit": _PAGE,
            "select": _FIELDS,
            "start_time": iso(window.since) if window.since else _BEGINNING,
        }
        if window.since and window.until:
            since, until = json.dumps(iso(window.since)), json.dumps(iso(window.until))
            asked["filter"] = f"and(gte(start_time, {since}), lt(start_time, {until}))"
        yield from client.paginate(
            "runs/query",
            method="POST",
            json=asked,
            paginator=JSONResponseCursorPaginator(cursor_path="cursors.next", cursor_body_path="cursor"),
            data_selector="runs",
        )

    headers = {"x-api-key": source.api_key}
    if os.environ.get("LANGSMITH_WORKSPACE_ID"):
        headers["x-tenant-id"] = "${LANGSMITH_WORKSPACE_ID}"
    url = address(source.url, ("LANGSMITH_ENDPOINT",), "https://api.smith.langchain.com")
    return Service(url=url, pages=pages, headers=headers)


def _session(client: Any, project: str) -> Any:
    found = json_of(client.get("sessions", params={"name": project, "limit": 1}))
    named = [one for one in found if isinstance(one, dict) and one.get("name") == project]
    if not named:
        raise SourceError(f"has no project {project!r}; name one in traces.project or LANGSMITH_PROJECT")
    return named[0]["id"]

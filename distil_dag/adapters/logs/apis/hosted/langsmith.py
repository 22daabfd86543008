"""LangSmith: the runs of a project in which a model answered.

`POST /runs/query` gives them by a cursor, with a filter in LangSmith's query language; `GET /sessions` has
the id of a project. Both take the key in `x-api-key`, and a workspace in `x-tenant-id`.

A run holds its own feedback added up. That of its whole trace is asked of `GET /feedback`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from distil_dag.adapters.logs.apis.feedback import with_scores
from distil_dag.adapters.logs.apis.service import Service, Window, address, iso, json_of
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.api_sources import LangsmithSource

_PAGE = 100
_TRACES_AT_ONCE = 50
_BEGINNING = "2020-01-01T00:00:00Z"
_FIELDS = [
    "id", "name", "run_type", "start_time", "end_time", "inputs", "outputs", "error", "extra", "trace_id",
    "parent_run_id", "feedback_stats",
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
        for page in client.paginate(
            "runs/query",
            method="POST",
            json=asked,
            paginator=JSONResponseCursorPaginator(cursor_path="cursors.next", cursor_body_path="cursor"),
            data_selector="runs",
        ):
            yield _with_feedback(client, page)

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


def _with_feedback(client: Any, page: list[Any]) -> list[Any]:
    """Runs with the feedback of their traces."""

    def ask(traces: list[str]) -> Iterator[tuple[str, Any]]:
        offset = 0
        while True:
            asked = {"run": traces, "limit": _PAGE, "offset": offset}
            found = json_of(client.get("feedback", params=asked))
            for one in found:
                yield (
                    str(one["run_id"]),
                    {"key": one["key"], "score": one.get("score"), "value": one.get("value")},
                )
            offset += len(found)
            if len(found) < _PAGE:
                return

    def around(run: dict[str, Any]) -> Any:
        return run.get("trace_id") if run.get("trace_id") != run.get("id") else None

    return with_scores(page, "feedback", around, lambda run: [around(run)], ask, _TRACES_AT_ONCE)

"""Braintrust: the spans of a project in which a model answered.

`POST /btql` answers SQL over `project_logs`. Its cursor comes in a header, and goes on where rows are sorted
by `_pagination_key`. A long answer is sent from an object store, which needs no key.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from distil_dag.adapters.logs.apis.service import Service, Window, address, iso, json_of
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.api_sources import BraintrustSource

_PAGE = 1000
_BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
# `created` is when a row was made, and its span started somewhat earlier; the intake cuts by the start.
_MORE = timedelta(hours=1)
_CURSORS = ("x-bt-cursor", "x-amz-meta-bt_cursor")


def service(source: BraintrustSource) -> Service:
    """The Braintrust project of a source."""

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        asked: set[str] = set()
        cursor = ""
        while cursor not in asked:
            asked.add(cursor)
            query = _query(source.project, window, cursor)
            response = client.post("btql", json={"query": query, "fmt": "json"})
            answer = json_of(response)
            rows = answer.get("data") if isinstance(answer, dict) else None
            if not isinstance(rows, list):
                raise SourceError("gives an answer without `data`")
            yield rows
            headers = [one.headers for one in (*response.history, response)]
            cursor = next((one[name] for one in headers for name in _CURSORS if one.get(name)), "")
            if not cursor or not rows:
                return
        raise SourceError("the pages repeat and come to no end")

    return Service(
        url=address(source.url, ("BRAINTRUST_API_URL",), "https://api.braintrust.dev"),
        pages=pages,
        auth={"type": "bearer", "token": source.api_key},
    )


def _query(project: str, window: Window, cursor: str) -> str:
    since = (window.since or _BEGINNING + _MORE) - _MORE
    where = ["span_attributes.type = 'llm'", f"created >= {_text(iso(since))}"]
    where += [f"created < {_text(iso(window.until + _MORE))}"] if window.until else []
    parts = ["SELECT * FROM", f"project_logs({_text(project)})", "WHERE", " AND ".join(where)]
    parts += ["ORDER BY _pagination_key LIMIT", str(_PAGE), *(["OFFSET", _text(cursor)] if cursor else [])]
    return " ".join(parts)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

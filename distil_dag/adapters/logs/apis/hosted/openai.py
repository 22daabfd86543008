"""OpenAI: chat completions that were stored (`store: true`), each with the messages of its request.

`GET /chat/completions` lists them, the newest first, by the id of the last one; `GET
/chat/completions/{id}/messages` has what was asked. A window is cut here, since the list takes no times.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from distil_dag.adapters.logs.apis.service import Service, Window, address, refused_with
from distil_dag.adapters.logs.apis.together import together
from distil_dag.core.api_sources import OpenaiSource
from distil_dag.stages.reading.strict_values import time_or_none

_LIST = "chat/completions"
_PAGE = 100
_HEADERS = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}


def service(source: OpenaiSource) -> Service:
    """The stored completions of a source."""

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        asked: dict[str, Any] = {"limit": _PAGE, "order": "desc"}
        asked |= {f"metadata[{name}]": value for name, value in source.metadata.items()}
        if source.model:
            asked["model"] = source.model
        for page in client.paginate(_LIST, params=asked, paginator=_after(), data_selector="data"):
            times = [_time(one) for one in page]
            wanted = [one for one, time in zip(page, times, strict=True) if _is_inside(window, time)]
            yield together(lambda one: _with_messages(client, one), wanted)
            if window.since and times and times[-1] and times[-1] < window.since:
                return

    headers = {name: f"${{{value}}}" for name, value in _HEADERS.items() if os.environ.get(value)}
    return Service(
        url=address(source.url, ("OPENAI_BASE_URL",), "https://api.openai.com/v1"),
        pages=pages,
        headers=headers,
        auth={"type": "bearer", "token": source.api_key},
    )


def _after() -> Any:
    """Pages by the id of the last record of the one before, as long as there are more."""
    from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

    return JSONResponseCursorPaginator(
        cursor_path="last_id", cursor_param="after", has_more_path="has_more", stop_after_empty_page=True
    )


def _time(completion: Any) -> datetime | None:
    return time_or_none(completion.get("created")) if isinstance(completion, dict) else None


def _is_inside(window: Window, time: datetime | None) -> bool:
    if time is None or window.since is None or window.until is None:
        return True
    return window.since <= time < window.until


def _with_messages(client: Any, completion: Any) -> Any:
    from requests import HTTPError

    if not isinstance(completion, dict):
        return completion
    try:
        pages = client.paginate(
            f"{_LIST}/{completion.get('id')}/messages",
            params={"limit": _PAGE, "order": "asc"},
            paginator=_after(),
            data_selector="data",
        )
        return {**completion, "messages": [_with_parts(message) for page in pages for message in page]}
    except HTTPError as error:
        if not refused_with(error, 404):
            raise
        return completion  # deleted since it was listed


def _with_parts(message: Any) -> Any:
    if isinstance(message, dict) and message.get("content") is None and message.get("content_parts"):
        return {**message, "content": message["content_parts"]}
    return message

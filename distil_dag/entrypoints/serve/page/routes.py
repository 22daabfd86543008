"""The routes of the page: `/` for people, `/page.json` for programs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from distil_dag.entrypoints.serve.page.data import PageData
from distil_dag.entrypoints.serve.page.page import page

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SECONDS = 5.0


def page_router(data: Callable[[], PageData], seconds: float = _SECONDS) -> APIRouter:
    """The routes of the page, for an application to include; who may read them is the application's to say.

    Args:
        data: what the page shows by now. It reads the log, so it is asked in a thread, and not again within
            `seconds`, however many people look.
        seconds: for how long what was read is shown.
    """
    router = APIRouter(include_in_schema=False)
    latest = _Latest(data, seconds)

    @router.get("/")
    def html() -> HTMLResponse:
        return HTMLResponse(page(latest.get()), headers=HEADERS)

    @router.get("/page.json")
    def json() -> Response:
        return Response(latest.get().model_dump_json(), media_type="application/json", headers=HEADERS)

    return router


class _Latest:
    """The data that was read last, until it is too old."""

    def __init__(self, data: Callable[[], PageData], seconds: float) -> None:
        self._data, self._seconds = data, seconds
        self._lock = threading.Lock()
        self._found: PageData | None = None
        self._read = 0.0

    def get(self) -> PageData:
        with self._lock:
            if self._found is None or time.monotonic() - self._read >= self._seconds:
                self._found = self._data()
                self._read = time.monotonic()
            return self._found

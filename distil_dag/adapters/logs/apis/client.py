"""The HTTP client of a service: dlt's, held to its host, its pace and its end.

Imports dlt and requests, so it is imported where a service is asked.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterator
from typing import Any

from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client.client import PageData, RESTClient
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from distil_dag.adapters.system.environment import SourceError

_ATTEMPTS = 5
_LONGEST_WAIT = 60.0
_TIMEOUT = (15.0, 120.0)
_LATER = (408, 425, 429, *range(500, 600))
# A service may search long before it finds the next record, but not for ever.
_MOST_EMPTY = 10_000
_MOST_ALIKE = 3


def connected(
    url: str, headers: dict[str, str], auth: AuthBase | None, auth_name: str, per_minute: float | None
) -> ServiceClient:
    """A client of the service at an address.

    Requests that fail for a time are sent again: a few times, with growing waits, or when `Retry-After` says.

    Args:
        url: Where paths start.
        headers: Sent to the service's own host.
        auth: Sent to the service's own host.
        auth_name: The header that it is sent in.
        per_minute: Most requests a minute; None for no limit.
    """
    session = Client(
        raise_for_status=False,
        request_timeout=_TIMEOUT,
        status_codes=_LATER,
        request_max_attempts=_ATTEMPTS,
        request_max_retry_delay=_LONGEST_WAIT,
    ).session
    gate = _Gate(url, {*headers, auth_name, "Authorization", "Cookie"}, per_minute)
    session.mount("https://", gate)
    session.mount("http://", gate)
    return ServiceClient(url, headers=headers, auth=_OwnHost(auth, url) if auth else None, session=session)


class ServiceClient(RESTClient):  # type: ignore[misc]  # dlt has no types
    """dlt's client, which logs no parameters and ends where pages repeat for ever."""

    def paginate(self, *args: Any, **kwargs: Any) -> Iterator[PageData[Any]]:
        """The pages of an endpoint, as dlt's client gives them.

        Raises:
            SourceError: The pages do not come to an end.
        """
        asked: set[str] = set()
        empty = alike = 0
        before: Any = None
        for page in super().paginate(*args, **kwargs):
            next_one = _written(page.request) if page.paginator.has_next_page else ""
            empty = 0 if page else empty + 1
            alike = alike + 1 if page and list(page) == before else 0
            before = list(page)
            yield page
            if next_one and (next_one in asked or alike >= _MOST_ALIKE or empty >= _MOST_EMPTY):
                raise SourceError(
                    "the pages repeat and come to no end; check traces.paginator, or tell of it if the "
                    "kind of source is no `rest`"
                )
            asked.add(next_one)

    def _log_request(self, request: Any, prepared_url: str) -> None:
        """Nothing: parameters and headers may hold secrets that dlt does not know as such."""


class _Gate(HTTPAdapter):
    """Sends at a service's pace, and what is meant for its host to no other."""

    def __init__(self, url: str, own: Collection[str], per_minute: float | None) -> None:
        super().__init__()
        self._url, self._own = url, own
        self._seconds = 60 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._turn = threading.Lock()

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if _is_elsewhere(self._url, str(request.url)):
            for name in self._own:
                request.headers.pop(name, None)
        with self._turn:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self._seconds
        if mine > now:
            time.sleep(mine - now)
        return super().send(request, *args, **kwargs)


class _OwnHost(AuthBase):
    """Signs requests to the service's own host alone."""

    def __init__(self, auth: AuthBase, url: str) -> None:
        self._auth, self._url = auth, url

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if _is_elsewhere(self._url, str(request.url)):
            return request
        signed: PreparedRequest = self._auth(request)
        return signed


def _is_elsewhere(url: str, other: str) -> bool:
    return bool(Session().should_strip_auth(url, other))


def _written(request: Any) -> str:
    return json.dumps([request.url, request.params, request.json, request.data], default=str, sort_keys=True)

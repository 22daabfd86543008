"""What an API's module says of its service."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple


class Window(NamedTuple):
    """The times that are asked for; None on both sides for all.

    Attributes:
        since: Start, inclusive.
        until: End, exclusive.
    """

    since: datetime | None = None
    until: datetime | None = None


Pages = Callable[[Any, Window], Iterator[list[Any]]]
"""From dlt's RESTClient and a window to pages of records, each as the service gives it.

May give more than the window, since the intake cuts by the records' own times, but never less. A page that
is asked for while records are written loses none of the window and gives none another id.
"""


@dataclass(frozen=True)
class Service:
    """How a service is reached, and how its records are asked for.

    Attributes:
        url: Its address, with variables of the environment in their places.
        pages: Asks for the records.
        headers: Sent with each request to the service's own host.
        auth: As in dlt's rest_api: type and its settings.
    """

    url: str
    pages: Pages
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: Mapping[str, Any] | None = None


def address(url: str | None, variables: tuple[str, ...], usual: str) -> str:
    """Where a service is, with variables of the environment in their places.

    Args:
        url: As its task says; None if it does not.
        variables: Names of variables that its own libraries read, the first that is set counts.
        usual: The address if none says another.
    """
    if url:
        return url
    return next((f"${{{name}}}" for name in variables if os.environ.get(name)), usual)


def json_of(response: Any) -> Any:
    """What an answer holds.

    Args:
        response: of the client.

    Raises:
        requests.HTTPError: The service refuses.
        ValueError: The answer is no JSON.
    """
    response.raise_for_status()
    return response.json()


def refused_with(error: Exception, *statuses: int) -> bool:
    """Whether a service has refused a request with one of these HTTP statuses."""
    return getattr(getattr(error, "response", None), "status_code", None) in statuses


def iso(time: datetime) -> str:
    """A moment as ISO 8601 in UTC, which ends in Z: some services read no other form."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def bearer(key: str | None) -> Mapping[str, Any] | None:
    """The authorisation by a key; None without one."""
    return {"type": "bearer", "token": key} if key else None

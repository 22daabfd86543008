"""What an API's module says of its service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
        headers: Sent with each request.
        auth: As in dlt's rest_api: type and its settings.
    """

    url: str
    pages: Pages
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: Mapping[str, Any] | None = None


def bearer(key: str | None) -> Mapping[str, Any] | None:
    """The authorisation by a key; None without one."""
    return {"type": "bearer", "token": key} if key else None

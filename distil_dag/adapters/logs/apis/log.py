"""A log behind an HTTP API, read through dlt's REST client."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from distil_dag.adapters.logs.apis.registry import service_of
from distil_dag.adapters.logs.apis.service import Window
from distil_dag.adapters.logs.intake import RawRecord
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable, expand, masked, unexpanded
from distil_dag.core.api_sources import ApiSource
from distil_dag.core.run_key import RunKey

_LATER = frozenset({408, 425, 429})


class ApiLog:
    """The records of one service."""

    def __init__(self, source: ApiSource) -> None:
        """Resolve the settings; nothing is asked yet.

        Args:
            source: Where the service is, and what is asked of it.

        Raises:
            SourceError: A setting can't be used.
        """
        self._source = source
        self._service = service_of(source)
        self._handed_over = 0
        self._client = self._connected()

    def resource(self) -> Any:
        """A dlt resource of the pages of the whole log."""
        import dlt

        return dlt.resource(self.pages(), name=self._source.kind)

    def pages(self, key: RunKey | None = None) -> Iterator[list[Any]]:
        """Pages of records as the service gives them.

        Args:
            key: of the run, whose window is asked for.

        Raises:
            SourceError: The service refuses.
            SourceUnavailable: It does not answer.
        """
        import requests

        window = Window(key.since, key.until) if key else Window()
        try:
            yield from self._service.pages(self._client, window)
        except SourceError as error:
            raise type(error)(self._said(str(error))) from None
        except requests.HTTPError as error:
            response = error.response
            status = response.status_code
            told = SourceUnavailable if status in _LATER or status >= 500 else SourceError
            raise told(self._said(f"answers {status} {response.reason}: {response.text[:300]}")) from None
        except (requests.RequestException, ValueError) as error:
            raise SourceUnavailable(self._said(f"{type(error).__name__}: {error}")) from None

    def records(self, page: Iterable[Any]) -> Iterator[RawRecord]:
        """The records of a page."""
        name = self._source.id_column
        for value in page:
            if isinstance(value, RawRecord):
                yield value
                continue
            self._handed_over += 1
            key = value.get(name) if name and isinstance(value, dict) else None
            place = f"record {self._handed_over}" if key is None else f"{name} {key}"
            yield RawRecord(self._source.kind, place, value)

    def _connected(self) -> Any:
        from dlt.sources.helpers.requests import Client
        from dlt.sources.helpers.rest_client.client import RESTClient
        from dlt.sources.rest_api.config_setup import create_auth

        service = self._service
        session = Client(raise_for_status=False).session
        if self._source.requests_per_minute:
            session.hooks["response"].append(_Pace(self._source.requests_per_minute))
        return RESTClient(
            expand(service.url, "traces.url"),
            headers=_expanded(service.headers, "traces.headers"),
            auth=create_auth(_expanded(service.auth, "traces.auth")) if service.auth else None,  # type: ignore[arg-type]
            session=session,
        )

    def _said(self, said: str) -> str:
        return unexpanded(f"traces: {masked(self._source.url)} {said}", self._source.model_dump_json())


class _Pace:
    """Waits behind each answer, so that no more requests are sent than a service allows."""

    def __init__(self, per_minute: float) -> None:
        self._seconds = 60 / per_minute

    def __call__(self, response: Any, *_: Any, **__: Any) -> Any:
        time.sleep(max(0.0, self._seconds - response.elapsed.total_seconds()))
        return response


def _expanded(value: Any, setting: str) -> Any:
    if isinstance(value, str):
        return expand(value, setting)
    if isinstance(value, dict) or hasattr(value, "items"):
        return {name: _expanded(inner, f"{setting}.{name}") for name, inner in value.items()}
    return value

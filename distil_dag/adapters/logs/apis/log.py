"""A log behind an HTTP API, read through dlt's REST client."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from distil_dag.adapters.logs.apis.answers import told
from distil_dag.adapters.logs.apis.registry import service_of
from distil_dag.adapters.logs.apis.secrets import Secrets
from distil_dag.adapters.logs.apis.service import Window
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.system.environment import SourceError, expand
from distil_dag.core.api_sources import ApiSource
from distil_dag.core.run_key import RunKey

_REMEMBERED = 50_000


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
        self._secrets = Secrets(
            source.model_dump(mode="json"),
            self._service.url,
            dict(self._service.headers),
            dict(self._service.auth or {}),
        )
        self._handed_over = 0
        self._seen: OrderedDict[str, str] = OrderedDict()
        self._client = self._connected()

    def pages(self, key: RunKey | None = None) -> Iterator[Any]:
        """Pages of records as the service gives them.

        Args:
            key: of the run, whose window is asked for.

        Raises:
            SourceError: The service refuses, or gives what is no page.
            SourceUnavailable: It does not answer.
        """
        import requests
        from dlt.common.exceptions import DltException

        window = Window(key.since, key.until) if key else Window()
        try:
            yield from self._service.pages(self._client, window)
        except (requests.RequestException, DltException, ValueError, RecursionError) as error:
            raise told(error, self._service.url, self._client.base_url, self._secrets) from None

    def records(self, page: Iterable[Any]) -> Iterator[RawRecord]:
        """The records of a page (a service may give them as such), without those that came before.

        Records that are written meanwhile push others to the next page, where they come again.
        """
        for value in page:
            if isinstance(value, RawRecord):
                yield value
                continue
            own = value.get(self._source.id_column or "id") if isinstance(value, dict) else None
            if isinstance(own, (str, int)) and self._is_again(str(own), value):
                continue
            self._handed_over += 1
            name = self._source.id_column or "id"
            place = f"record {self._handed_over}" if own is None else f"{name} {own}"
            yield RawRecord(self._source.kind, place, value)

    def _is_again(self, name: str, value: Any) -> bool:
        try:
            text = json.dumps(value, sort_keys=True, default=str)
        except RecursionError:
            return False  # it will be set aside
        content = hashlib.sha256(text.encode()).hexdigest()
        if self._seen.get(name) == content:
            return True
        self._seen[name] = content
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return False

    def _connected(self) -> Any:
        from dlt.sources.rest_api.config_setup import create_auth

        from distil_dag.adapters.logs.apis.client import connected

        service = self._service
        url = expand(service.url, "traces.url")
        if not url.lower().startswith(("http://", "https://")):
            raise SourceError(f"traces.url: {service.url} is no address of a service, such as https://host")
        headers = _expanded(service.headers, "traces.headers")
        settings = _expanded(service.auth or {}, "traces.auth")
        try:
            auth: Any = create_auth(settings) if settings else None
        except Exception as error:  # of dlt's configuration, which quotes no values
            said = self._secrets.hidden(str(error).partition("\n")[0])
            raise SourceError(f"traces.auth can't be used: {said}") from None
        name = str(settings.get("name", "Authorization"))
        return connected(url, headers, auth, name, self._source.requests_per_minute)


def _expanded(value: Any, setting: str) -> Any:
    if isinstance(value, str):
        return expand(value, setting)
    if hasattr(value, "items"):
        return {name: _expanded(inner, f"{setting}.{name}") for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_expanded(inner, f"{setting}[{number}]") for number, inner in enumerate(value)]
    return value

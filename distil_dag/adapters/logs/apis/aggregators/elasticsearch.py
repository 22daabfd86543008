"""Elasticsearch and OpenSearch: documents of a window, as they stood when the reading began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote

from distil_dag.adapters.logs.apis.aggregators.lines import Lines, moment
from distil_dag.adapters.logs.apis.service import Service, Window, json_of
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.system.environment import SourceUnavailable
from distil_dag.core.api_sources import ElasticsearchSource, OpenSearchSource

_KEPT = "5m"
_TIME = "@timestamp"
# Sort values are milliseconds, or nanoseconds from 1973 on.
_NANOSECONDS = 10**17


class _Dialect(NamedTuple):
    """How a point in time is opened and closed, and what tells apart documents of one time."""

    path: str
    id: str
    tiebreakers: tuple[str, ...]
    sort: Mapping[str, Any]

    def closing(self, point: str) -> dict[str, Any]:
        return {"id": point} if self.id == "id" else {"pit_id": [point]}


# OpenSearch has no `_shard_doc` before 3.3, and no format of sort values.
_ELASTIC = _Dialect("_pit", "id", ("_shard_doc",), {"format": "strict_date_optional_time_nanos"})
_OPENSEARCH = _Dialect("_search/point_in_time", "pit_id", ("_id", "_index"), {})


Source = ElasticsearchSource | OpenSearchSource


def service(source: Source) -> Service:
    """The cluster of a source."""
    dialect = _OPENSEARCH if isinstance(source, OpenSearchSource) else _ELASTIC

    def pages(client: Any, window: Window) -> Iterator[list[RawRecord]]:
        lines = Lines(source)
        # Without `allow_no_indices` a mistyped pattern would be an empty log.
        opened = json_of(
            client.post(
                f"{quote(source.index, safe=',*-')}/{dialect.path}",
                params={"keep_alive": _KEPT, "allow_no_indices": "false"},
            )
        )
        point = _Point(opened[dialect.id])
        try:
            for hits in _hits(client, source, dialect, point, window):
                yield [record for hit in hits for record in _records(hit, lines)]
        finally:
            path = "_pit" if dialect is _ELASTIC else dialect.path
            with suppress(Exception):  # it closes by itself after a while
                json_of(client.request(path, method="DELETE", json=dialect.closing(point.id)))

    return Service(url=source.url, pages=pages, auth=_auth(source))


class _Point:
    """A point in time, whose id may change with each answer."""

    def __init__(self, id: str) -> None:
        self.id = id


def _hits(
    client: Any, source: Source, dialect: _Dialect, point: _Point, window: Window
) -> Iterator[list[Any]]:
    column = source.time_column or _TIME
    in_time = {"order": "asc", "missing": 0, "unmapped_type": "date", **dialect.sort}
    body: dict[str, Any] = {
        "size": source.page_records,
        "query": _query(source, column, window),
        "sort": [{column: in_time}, *({name: "asc"} for name in dialect.tiebreakers)],
        "track_total_hits": True,
    }
    given, total = 0, None
    while True:
        body["pit"] = {"id": point.id, "keep_alive": _KEPT}
        found = json_of(client.post("_search", params={"allow_partial_search_results": "false"}, json=body))
        point.id = found.get("pit_id", point.id)
        if found.get("timed_out") or found.get("_shards", {}).get("failed"):
            raise SourceUnavailable("answers with a part of the records only; try again later")
        if total is None:
            total, body["track_total_hits"] = found["hits"]["total"]["value"], False
        hits = found["hits"]["hits"]
        if not hits:
            break
        given += len(hits)
        yield hits
        body["search_after"] = hits[-1]["sort"]
    if given != total:
        raise SourceUnavailable(f"gave {given} records of {total} in all its pages; try again later")


def _query(source: Source, column: str, window: Window) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if window.since and window.until:
        ends = {"gte": window.since.isoformat(), "lt": window.until.isoformat()}
        parts.append({"range": {column: {**ends, "format": "strict_date_optional_time"}}})
    if source.query:
        asked = source.query
        parts.append({"query_string": {"query": asked}} if isinstance(asked, str) else asked)
    return {"bool": {"filter": parts}} if parts else {"match_all": {}}


def _records(hit: Mapping[str, Any], lines: Lines) -> Iterator[RawRecord]:
    time = hit["sort"][0]
    if time == 0 or str(time).startswith("1970-01-01T00:00:00"):
        time = None
    elif isinstance(time, int):
        time = moment(time if time > _NANOSECONDS else time * 10**6)
    # Two indices may hold other documents of one id.
    return lines.records(hit.get("_source") or {}, f"{hit['_index']} {hit['_id']}", time, key=hit["_id"])


def _auth(source: Source) -> dict[str, Any] | None:
    if source.user:
        return {"type": "http_basic", "username": source.user, "password": source.password or ""}
    if isinstance(source, ElasticsearchSource) and source.api_key:
        key = f"ApiKey {source.api_key}"
        return {"type": "api_key", "name": "Authorization", "api_key": key, "location": "header"}
    return None

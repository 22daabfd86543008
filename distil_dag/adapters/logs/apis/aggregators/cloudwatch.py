"""CloudWatch Logs: events of a log group, by AWS's own library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from distil_dag.adapters.logs.apis.aggregators.lines import Lines, moment, nanoseconds
from distil_dag.adapters.logs.apis.service import Service, Window
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable, expand
from distil_dag.core.api_sources import CloudWatchSource

_PER_MILLISECOND = 10**6
_LATER = (
    "Throttling",
    "ServiceUnavailable",
    "Internal",
    "LimitExceeded",
    "RequestTimeout",
    "TooManyRequests",
)


def service(source: CloudWatchSource) -> Service:
    """The log group of a source."""

    def pages(_client: Any, window: Window) -> Iterator[list[RawRecord]]:
        lines = Lines(source)
        for page in _found(source, window):
            yield [
                record
                for event in page.get("events") or ()
                for record in lines.records(
                    event["message"], event["eventId"], moment(event["timestamp"] * _PER_MILLISECOND)
                )
            ]

    # Only what is said of it needs an address: the library has its own.
    return Service(url=source.url or "https://logs.amazonaws.com", pages=pages)


def _found(source: CloudWatchSource, window: Window) -> Iterator[Any]:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError
    except ModuleNotFoundError as error:
        raise SourceError(
            f"needs the Python package {error.name}, which is not installed: pip install 'distil_dag[aws]'"
        ) from None
    asked: dict[str, Any] = {
        "logGroupIdentifier" if source.log_group.startswith("arn:") else "logGroupName": source.log_group
    }
    if source.filter_pattern:
        asked["filterPattern"] = source.filter_pattern
    if source.stream_prefix:
        asked["logStreamNamePrefix"] = source.stream_prefix
    if window.since and window.until:
        asked["startTime"] = nanoseconds(window.since) // _PER_MILLISECOND
        asked["endTime"] = nanoseconds(window.until) // _PER_MILLISECOND
    try:
        client = boto3.client(
            "logs",
            region_name=expand(source.region, "traces.region") if source.region else None,
            endpoint_url=expand(source.url, "traces.url") if source.url else None,
            config=Config(retries={"mode": "adaptive", "max_attempts": 10}),
        )
        yield from client.get_paginator("filter_log_events").paginate(
            **asked, PaginationConfig={"PageSize": source.page_records}
        )
    except ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        told = SourceUnavailable if status >= 500 or code.startswith(_LATER) else SourceError
        raise told(f"log group {source.log_group}: {error}") from None
    except (EndpointConnectionError, HTTPClientError) as error:
        raise SourceUnavailable(f"{type(error).__name__}: {error}") from None
    except BotoCoreError as error:
        raise SourceError(
            f"{error} It is read from AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
        ) from None

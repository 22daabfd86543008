"""Sources of `task.yaml` that are asked over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from distil_dag.core.settings import Section
from distil_dag.core.source_fields import Columns, Format, RowName, TimeColumn, Where

Pace = Annotated[
    float | None, Field(gt=0, description="most requests a minute; as fast as it answers if unset")
]


class ApiSource(Section):
    """What all services have in common."""

    kind: str
    url: str
    requests_per_minute: Pace = None
    id_column: RowName = None
    time_column: TimeColumn = None
    columns: Columns = Field(default_factory=dict)
    where: Where = Field(default_factory=dict)
    format: Format = "auto"


class RestSource(ApiSource):
    """Any HTTP API that gives records as JSON, page by page."""

    kind: Literal["rest"]
    url: str = Field(description="the API's address; ${NAME} is read from the environment, here and below")
    path: str = Field(default="", description="what is asked for below the address")
    method: Literal["GET", "POST"] = Field(default="GET", description="HTTP method")
    headers: dict[str, str] = Field(default_factory=dict, description="header -> value")
    params: dict[str, Any] = Field(
        default_factory=dict,
        description="query parameter -> value; {since} and {until} are the ends of a run's window",
    )
    body: dict[str, Any] | None = Field(
        default=None, description="JSON to send; {since} and {until} as in params"
    )
    auth: dict[str, Any] | None = Field(
        default=None, description="as in dlt's rest_api: type and its settings"
    )
    records: str | None = Field(
        default=None, description="JSONPath of the records in an answer; told by its form if unset"
    )
    paginator: dict[str, Any] | None = Field(
        default=None, description="as in dlt's rest_api: type and its settings; told by the answer if unset"
    )
    times: Literal["iso", "seconds", "milliseconds", "nanoseconds"] = Field(
        default="iso", description="how {since} and {until} are written"
    )


class AggregatorSource(ApiSource):
    """What log aggregators have in common."""

    time_column: TimeColumn = "@timestamp"
    message: str | None = Field(
        default=None,
        description="field that holds a record as JSON, such as log.message; told by its form if unset",
    )
    page_records: int = Field(
        default=1000, ge=1, le=10_000, description="most records that are asked for at once"
    )


class SearchSource(AggregatorSource):
    """Documents of a search cluster."""

    url: str = Field(description="the cluster's address; ${NAME} is read from the environment")
    index: str = Field(description="index, data stream, alias or pattern")
    query: str | dict[str, Any] | None = Field(
        default=None, description="Lucene query, or an object of the query DSL"
    )
    user: str | None = Field(default=None, description="user")


class ElasticsearchSource(SearchSource):
    """Documents of Elasticsearch."""

    kind: Literal["elasticsearch"]
    api_key: str | None = Field(
        default="${ELASTIC_API_KEY}",
        description="API key, if no user is set; null for a cluster without keys",
    )
    password: str | None = Field(default="${ELASTIC_PASSWORD}", description="password of the user")


class OpenSearchSource(SearchSource):
    """Documents of OpenSearch."""

    kind: Literal["opensearch"]
    password: str | None = Field(default="${OPENSEARCH_PASSWORD}", description="password of the user")


class LokiSource(AggregatorSource):
    """Lines of Grafana Loki."""

    kind: Literal["loki"]
    url: str = Field(description="the address, without /loki; ${NAME} is read from the environment")
    query: str = Field(description='LogQL that selects lines, such as {app="agent"}')
    tenant: str | None = Field(default=None, description="tenant, sent as X-Scope-OrgID")
    user: str | None = Field(default=None, description="user of Grafana Cloud or of a proxy")
    password: str | None = Field(default="${LOKI_PASSWORD}", description="password of the user")
    token: str | None = Field(default=None, description="bearer token, in place of a user")
    days: float = Field(default=30, gt=0, description="days up to now that a run without a window reads")


class CloudWatchSource(AggregatorSource):
    """Events of a log group of AWS, with the credentials that AWS's library finds."""

    kind: Literal["cloudwatch"]
    url: str = Field(default="", description="the endpoint, if not AWS's own")
    log_group: str = Field(description="name or ARN of the log group")
    filter_pattern: str = Field(default="", description="filter pattern of CloudWatch")
    stream_prefix: str = Field(default="", description="only log streams whose names begin so")
    region: str | None = Field(default=None, description="region; that of AWS's settings if unset")


class DatadogSource(AggregatorSource):
    """Logs of Datadog."""

    kind: Literal["datadog"]
    url: str = Field(default="", description="the API's address; that of the site if empty")
    site: str = Field(default="datadoghq.com", description="site of the account, such as datadoghq.eu")
    query: str = Field(default="*", description="search, such as service:agent")
    indexes: list[str] = Field(default=["*"], description="names of indexes")
    api_key: str = Field(default="${DD_API_KEY}", description="API key")
    application_key: str = Field(
        default="${DD_APP_KEY}", description="application key with the right logs_read_data"
    )
    days: float = Field(default=15, gt=0, description="days up to now that a run without a window reads")
    page_records: int = Field(
        default=1000, ge=1, le=1000, description="most records that are asked for at once"
    )


class ClickHouseSource(AggregatorSource):
    """Rows of ClickHouse, over its HTTP interface."""

    kind: Literal["clickhouse"]
    url: str = Field(description="address of the HTTP interface, such as http://host:8123")
    table: str | None = Field(default=None, description="table, or database.table")
    query: str | None = Field(default=None, description="SELECT in place of a table")
    database: str | None = Field(default=None, description="database; the user's own if unset")
    user: str = Field(default="default", description="user")
    password: str | None = Field(
        default="${CLICKHOUSE_PASSWORD}", description="password; null for a user without one"
    )
    time_column: TimeColumn = "timestamp"

"""Sources of `task.yaml` that are asked over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from distil_dag.core.settings import Section
from distil_dag.core.source_fields import Columns, Format, RowName, TimeColumn, Where

Pace = Annotated[
    float | None, Field(gt=0, description="most requests a minute; as fast as it answers if unset")
]


class ApiSource(Section):
    """What all services have in common.

    Attributes:
        is_timed: Whether the service can be asked for a window, and its records say their own times.
    """

    is_timed: ClassVar[bool] = True

    kind: str
    url: str | None
    requests_per_minute: Pace = None
    id_column: RowName = None
    time_column: TimeColumn = None
    columns: Columns = Field(default_factory=dict)
    where: Where = Field(default_factory=dict)
    format: Format = "auto"


class RestSource(ApiSource):
    """Any HTTP API that gives records as JSON, page by page."""

    is_timed: ClassVar[bool] = False

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
    message: str | None = Field(
        default=None, description="field that holds a record as JSON text, among lines of other programs"
    )


class LangfuseSource(ApiSource):
    """The generations of a Langfuse project."""

    kind: Literal["langfuse"]
    url: str | None = Field(
        default=None, description="of a server; that of LANGFUSE_BASE_URL or LANGFUSE_HOST, or the cloud's"
    )
    public_key: str = Field(default="${LANGFUSE_PUBLIC_KEY}", description="of the project")
    secret_key: str = Field(default="${LANGFUSE_SECRET_KEY}", description="of the project")
    environment: str | None = Field(default=None, description="only observations of this environment")


class LangsmithSource(ApiSource):
    """The runs of models in a LangSmith project."""

    kind: Literal["langsmith"]
    url: str | None = Field(
        default=None,
        description="as https://eu.api.smith.langchain.com; that of LANGSMITH_ENDPOINT, or the US",
    )
    api_key: str = Field(default="${LANGSMITH_API_KEY}", description="a key of the workspace")
    project: str | None = Field(
        default=None, description="its name; that of LANGSMITH_PROJECT, or `default`, if unset"
    )


class OpenaiSource(ApiSource):
    """Chat completions that OpenAI has stored."""

    kind: Literal["openai"]
    url: str | None = Field(default=None, description="that of OPENAI_BASE_URL, or OpenAI's own, if unset")
    api_key: str = Field(default="${OPENAI_API_KEY}", description="a key of the project")
    model: str | None = Field(default=None, description="only completions of this model")
    metadata: dict[str, str] = Field(
        default_factory=dict, description="key -> value: only completions that were stored with these"
    )


class HeliconeSource(ApiSource):
    """Requests that went through Helicone."""

    kind: Literal["helicone"]
    url: str | None = Field(
        default=None, description="as https://eu.api.helicone.ai; that of HELICONE_BASE_URL, or the US"
    )
    api_key: str = Field(default="${HELICONE_API_KEY}", description="a key with the right to read")


class BraintrustSource(ApiSource):
    """The spans of models in a Braintrust project."""

    kind: Literal["braintrust"]
    url: str | None = Field(default=None, description="that of BRAINTRUST_API_URL, or the US, if unset")
    api_key: str = Field(default="${BRAINTRUST_API_KEY}", description="a key of the organization")
    project: str = Field(description="its name or id")


class LogfireSource(ApiSource):
    """The spans of models in a Logfire project."""

    kind: Literal["logfire"]
    url: str | None = Field(
        default=None, description="that of LOGFIRE_BASE_URL, or of the token's region, if unset"
    )
    read_token: str = Field(default="${LOGFIRE_READ_TOKEN}", description="a read token of the project")
    filter: str = Field(
        default="attributes->>'gen_ai.request.model' IS NOT NULL OR attributes->>'request_data' IS NOT NULL",
        description="SQL condition: which records are spans of models",
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


class PhoenixSource(ApiSource):
    """The spans of one project of Arize Phoenix."""

    kind: Literal["phoenix"]
    url: str = Field(default="http://127.0.0.1:6006", description="Phoenix's address")
    api_key: str | None = Field(default=None, description="such as ${PHOENIX_API_KEY}; none if unset")
    project: str = Field(default="default", description="the project's name or id")
    time_column: TimeColumn = "start_time"


class MlflowSource(ApiSource):
    """The traces of one experiment of an MLflow tracking server."""

    kind: Literal["mlflow"]
    url: str = Field(default="http://127.0.0.1:5000", description="the tracking server's address")
    user: str | None = Field(default=None, description="user, where the server asks for a password")
    password: str | None = Field(
        default=None, description="password, or a token without user; such as ${MLFLOW_TRACKING_TOKEN}"
    )
    experiment: str = Field(default="Default", description="the experiment's name")
    time_column: TimeColumn = "request_time"


class LitellmSource(ApiSource):
    """The spend logs of a LiteLLM proxy."""

    kind: Literal["litellm"]
    url: str = Field(default="http://127.0.0.1:4000", description="the proxy's address")
    api_key: str | None = Field(
        default=None, description="of an admin, such as ${LITELLM_MASTER_KEY}; none if unset"
    )
    id_column: RowName = "request_id"
    time_column: TimeColumn = "startTime"

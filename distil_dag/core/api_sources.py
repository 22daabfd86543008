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


class PhoenixSource(ApiSource):
    """The spans of one project of Arize Phoenix."""

    kind: Literal["phoenix"]
    url: str = Field(default="http://127.0.0.1:6006", description="Phoenix's address")
    key: str | None = Field(default=None, description="API key, such as ${PHOENIX_API_KEY}; none if unset")
    project: str = Field(default="default", description="the project's name or id")
    time_column: TimeColumn = "start_time"


class MlflowSource(ApiSource):
    """The traces of one experiment of an MLflow tracking server."""

    kind: Literal["mlflow"]
    url: str = Field(default="http://127.0.0.1:5000", description="the tracking server's address")
    user: str | None = Field(default=None, description="user, where the server asks for a password")
    key: str | None = Field(
        default=None, description="password, or a token without user; such as ${MLFLOW_TRACKING_TOKEN}"
    )
    experiment: str = Field(default="Default", description="the experiment's name")
    time_column: TimeColumn = "request_time"


class LitellmSource(ApiSource):
    """The spend logs of a LiteLLM proxy."""

    kind: Literal["litellm"]
    url: str = Field(default="http://127.0.0.1:4000", description="the proxy's address")
    key: str | None = Field(
        default=None, description="key of an admin, such as ${LITELLM_MASTER_KEY}; none if unset"
    )
    id_column: RowName = "request_id"
    time_column: TimeColumn = "startTime"

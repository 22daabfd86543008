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

"""Section `traces` of `task.yaml`: where the log of an agent is."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from distil_dag.core.api_sources import (
    ApiSource,
    BraintrustSource,
    ClickHouseSource,
    CloudWatchSource,
    DatadogSource,
    ElasticsearchSource,
    HeliconeSource,
    LangfuseSource,
    LangsmithSource,
    LitellmSource,
    LogfireSource,
    LokiSource,
    MlflowSource,
    OpenaiSource,
    OpenSearchSource,
    PhoenixSource,
    RestSource,
)
from distil_dag.core.settings import Section
from distil_dag.core.source_fields import Columns, Format, RowName, TimeColumn, Where


class SqlSource(Section):
    """A table of any SQL database, one logged call a row."""

    kind: Literal["sql"]
    url: str = Field(description="SQLAlchemy URL; ${NAME} is read from the environment")
    table: str = Field(description="the table's name")
    id_column: str = Field(default="id", description="column that names a row")
    time_column: TimeColumn = "created_at"
    columns: Columns = Field(default_factory=dict)
    where: Where = Field(default_factory=dict)
    format: Format = "auto"


class FileSource(Section):
    """Files of JSON, CSV, Parquet or Arrow."""

    kind: Literal["files"]
    path: str = Field(
        description="file, folder or glob; also s3://, gs:// and hf://; ${NAME} is read from the environment"
    )
    id_column: RowName = None
    time_column: TimeColumn = None
    columns: Columns = Field(default_factory=dict)
    where: Where = Field(default_factory=dict)
    format: Format = "auto"


class HubSource(Section):
    """A dataset of the Hugging Face Hub."""

    kind: Literal["huggingface"]
    dataset: str = Field(description="the dataset's id on the Hub, `owner/name`")
    config: str | None = Field(default=None, description="one of the dataset's configurations")
    split: str = Field(default="train", description="the split to read")
    revision: str | None = Field(default=None, description="revision on the Hub; the newest if unset")
    id_column: RowName = None
    time_column: TimeColumn = None
    columns: Columns = Field(default_factory=dict)
    where: Where = Field(default_factory=dict)
    format: Format = "auto"


_Service = (
    RestSource
    | LangfuseSource
    | LangsmithSource
    | OpenaiSource
    | HeliconeSource
    | BraintrustSource
    | LogfireSource
    | PhoenixSource
    | MlflowSource
    | LitellmSource
    | ElasticsearchSource
    | OpenSearchSource
    | LokiSource
    | CloudWatchSource
    | DatadogSource
    | ClickHouseSource
)
TraceSource = Annotated[SqlSource | FileSource | HubSource | _Service, Field(discriminator="kind")]

_SOURCES = {
    str(kind): source
    for source in get_args(get_args(TraceSource)[0])
    for kind in get_args(source.model_fields["kind"].annotation)
}
KINDS = tuple(_SOURCES)
"""What `traces.kind` may be."""
SERVICE_KINDS = tuple(kind for kind, source in _SOURCES.items() if issubclass(source, ApiSource))
"""The kinds that are asked over HTTP."""


def has_times(source: TraceSource) -> bool:
    """Whether a window of a log can be asked for: a column has its times, or every record says its own."""
    return source.time_column is not None or (isinstance(source, ApiSource) and source.is_timed)

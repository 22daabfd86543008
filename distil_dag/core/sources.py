"""Section `traces` of `task.yaml`: where the log of an agent is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from distil_dag.core.api_sources import LitellmSource, MlflowSource, PhoenixSource, RestSource
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


TraceSource = Annotated[
    SqlSource | FileSource | HubSource | RestSource | PhoenixSource | MlflowSource | LitellmSource,
    Field(discriminator="kind"),
]

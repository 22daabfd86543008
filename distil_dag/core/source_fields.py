"""What every source of `task.yaml` can say of its rows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

RecordFormat = Literal[
    "auto", "openai_chat", "messages", "question_answer", "responses", "anthropic", "gemini", "bedrock",
    "cohere", "sharegpt", "xlam", "glaive",
]  # fmt: skip
Columns = Annotated[dict[str, str], Field(description="our field -> your column, where the names differ")]
Where = Annotated[dict[str, str], Field(description="column -> value: take only these rows")]
TimeColumn = Annotated[str | None, Field(description="column that a run's window is cut by")]
Format = Annotated[RecordFormat, Field(description="the form of a row; auto tells it by the fields")]
RowName = Annotated[str | None, Field(description="column that names a row; its place in the data if unset")]

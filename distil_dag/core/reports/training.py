"""How a student was trained."""

from __future__ import annotations

from pydantic import Field

from distil_dag.core.reports.base import Report


class Depth(Report):
    """Which transformer blocks of its base a shallower student kept.

    Attributes:
        kept: their places in the base, counted from 0.
    """

    kept: list[int]
    influence: list[float] = Field(description="of each of the base's blocks: 1 - cosine of out and in")


class TrainReport(Report):
    """Training: what was supervised, and how the loss went."""

    base: str
    continues: str = Field(default="", description="key of the run whose student training started from")
    method: str
    depth: Depth | None = Field(default=None, description="None where all blocks of the base stayed")
    rows: int
    rows_by_origin: dict[str, int] = Field(default_factory=dict)
    steps: int
    epochs: float
    tokens: int = Field(description="tokens in all rows, once")
    tokens_seen: int = Field(default=0, description="tokens in all rows, as often as each was seen")
    supervised_tokens: int
    truncated: int
    unsupervised_rows: int = Field(description="rows without one supervised token")
    refused_rows: dict[str, int] = Field(
        default_factory=dict, description="rows left out, by what the student's chat template says of them"
    )
    stop_token_trained: bool
    loss: list[tuple[int, float]] = Field(description="(step, training loss)")
    resumed_from_step: int = 0
    seconds: float = 0.0
    audit: list[dict[str, str]] = Field(
        default_factory=list, description="a few rows: `prompt`, and `supervised` as decoded from the mask"
    )
    dataset_digest: str = ""
    finished: str = Field(default="", description="when, UTC, ISO 8601")
    environment: dict[str, str] = Field(
        default_factory=dict, description="where it was trained: `python`, `processor`, `packages`, ..."
    )

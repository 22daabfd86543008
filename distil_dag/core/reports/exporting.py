"""The files that an export made, and how far they are the checkpoint."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from distil_dag.core.confidence import Confidence
from distil_dag.core.ranking import Ranking
from distil_dag.core.reports.base import Report
from distil_dag.core.reports.evidence import Guarantee

FlashAttention = Literal["off", "on"]
"""Whether llama.cpp computes attention as one operation; runtimes differ in their default."""


class GgufFile(Report):
    """One exported file and how far it agrees with the checkpoint."""

    format: str
    path: str
    sha256: str
    bytes: int
    tokens_equal: bool = Field(description="same token ids as the checkpoint's tokenizer on the golden texts")
    template_equal: bool
    agreement: float = Field(
        description="share of probes whose greedy answer is the checkpoint's; the lower one of `by_attention`"
    )
    by_attention: dict[FlashAttention, float] = Field(
        default_factory=dict, description="the same share for each setting of llama.cpp's flash attention"
    )
    probes: int


class GgufReport(Report):
    """Export: every file with its parity."""

    files: list[GgufFile]
    modelfile: str
    model_card: str
    lineage: str
    primary: str
    confidence: Confidence | None = Field(
        default=None, description="of the primary file, which carries it in its key-values"
    )
    confidence_missing: str = Field(default="", description="why there is none")
    ranking: Ranking | None = Field(
        default=None, description="what ranks answers besides their probability; None in reports of before"
    )
    guarantee: Guarantee | None = Field(
        default=None, description="what the cases that were set aside prove of it"
    )
    set_aside: dict[str, bool] = Field(
        default_factory=dict, description="case that was set aside -> whether the primary file has it exact"
    )

"""A verdict: what a judge says about one logged trace, and why."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from distil_dag.core.tables import VERDICTS
from distil_dag.core.tool_call import ToolCall

VerdictOutcome = Literal["passed", "rejected", "unjudged"]


class Proposal(BaseModel):
    """Calls that labellers proposed in place of logged ones, and what came of them."""

    model_config = ConfigDict(frozen=True)

    calls: tuple[ToolCall, ...]
    labellers: tuple[str, ...] = Field(description="identities of those who proposed them")
    score: float | None = Field(default=None, ge=0, le=1, description="by the judge or the arbiter")
    reason: str = Field(description="why it was taken or left")


class Verdict(BaseModel):
    """How far the calls of a trace can be trusted.

    Attributes:
        trace_id: id of the trace.
        request: its request.
        calls: the logged calls.
        outcome: what became of the trace; `unjudged` where the judge's answer could not be read.
        reason: a short category, which reports count.
        explanation: the reason as a sentence for a person.
        judge: identity of the judge.
        details: further figures of the judge by name.
    """

    model_config = ConfigDict(frozen=True)

    trace_id: str
    request: str
    calls: tuple[ToolCall, ...]
    outcome: VerdictOutcome
    score: float | None = Field(default=None, ge=0, le=1, description="none where nothing could be read")
    reason: str
    explanation: str = ""
    judge: str
    proposed: tuple[ToolCall, ...] | None = Field(
        default=None, description="calls that a committee put in place of the logged ones"
    )
    relabelled_from: tuple[ToolCall, ...] | None = Field(
        default=None, description="the logged calls, where `proposed` passed instead of them"
    )
    proposals: tuple[Proposal, ...] = Field(default=(), description="the committee's, best first")
    arbiter: str = Field(default="", description="identity of who picked among the proposals")
    details: dict[str, float | str] = Field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the trace may be learned from."""
        return self.outcome == "passed"

    @property
    def trusted_calls(self) -> tuple[ToolCall, ...]:
        """The calls to learn from: the logged ones, or those that replaced them."""
        return self.calls if self.relabelled_from is None else self.proposed or ()

    def row(self) -> dict[str, Any]:
        """The verdict as one flat table row.

        Returns:
            Column -> value, nested values as JSON strings; `passed` is a column of its own.
        """
        row = self.model_dump(mode="json")
        for name in VERDICTS.nested:
            row[name] = None if row[name] is None else json.dumps(row[name], ensure_ascii=False)
        return row | {"passed": self.passed}

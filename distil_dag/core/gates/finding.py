"""What a gate found, and the ways out where it failed."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from distil_dag.core.settings import GateName, GateSpec


class Finding(BaseModel):
    """The verdict of one gate, with the numbers that it rests on.

    Attributes:
        figure: What was measured, as text.
        threshold: What is asked of it, as text.
        mends: What brings a better figure, a sentence each; empty where the gate passed.
        settings: Threshold -> value with which this figure would pass; empty where none would let it.
        soft: The value of `gates.soft` with which the gate would only warn; empty where the run could not
            go on.
    """

    model_config = ConfigDict(frozen=True)

    gate: GateName
    passed: bool
    message: str
    figure: str = ""
    threshold: str = ""
    numbers: dict[str, float] = Field(default_factory=dict)
    rows: list[dict[str, Any]] = Field(default_factory=list, description="what made it fail, a few rows")
    mends: tuple[str, ...] = ()
    settings: dict[str, int | float] = Field(default_factory=dict)
    soft: tuple[GateName, ...] = ()
    severity: Literal["error", "warn"] = "error"

    @property
    def stops(self) -> bool:
        """Whether the run ends here."""
        return not self.passed and self.severity == "error"

    @property
    def ways_out(self) -> tuple[str, ...]:
        """What to do about a gate that failed, a sentence each; settings are in backticks."""
        if self.passed:
            return ()
        lower = tuple(
            f"`gates.{name}: {value}` lets this figure pass." for name, value in self.settings.items()
        )
        warn = (f"`gates.soft: [{', '.join(self.soft)}]` lets it warn only.",) if self.soft else ()
        return (*self.mends, *lower, *warn)


def stamped(spec: GateSpec, *findings: Finding) -> list[Finding]:
    """The findings with the severity that a task gives them, and advice only where a gate failed.

    Args:
        spec: The thresholds.
        findings: The findings, as if no gate were soft.
    """
    return [_stamped(spec, finding) for finding in findings]


def at_most(share: float) -> float:
    """A share as a setting that a figure still reaches: rounded down."""
    return max(0.0, math.floor(share * 1000) / 1000)


def at_least(share: float) -> float:
    """A share as a setting that a figure does not exceed: rounded up."""
    return min(1.0, math.ceil(share * 1000) / 1000)


def _stamped(spec: GateSpec, finding: Finding) -> Finding:
    if finding.passed:
        clean: dict[str, Any] = {"mends": (), "settings": {}, "soft": ()}
    else:
        clean = {}
    if finding.gate in spec.soft:
        clean |= {"severity": "warn", "soft": ()}
    return finding.model_copy(update=clean)

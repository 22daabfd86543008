"""What a stage will use of its models, as forecast from a probe: each figure with its range."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, computed_field

from distil_dag.core.spending import Usage


class _Figures(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(_Figures):
    """An expected value with the bounds between which it lies in nine of ten draws of the probe.

    Attributes:
        value: the median of the draws.
        low: their 5th percentile.
        high: their 95th percentile.
    """

    value: float
    low: float
    high: float

    def __add__(self, other: Range) -> Range:
        """The sum; bounds are added too, which is wide where the parts are independent."""
        return Range(value=self.value + other.value, low=self.low + other.low, high=self.high + other.high)


class Forecast(_Figures):
    """What one stage will use."""

    stage: str
    model: str
    calls: Range
    tokens: Range = Field(description="of prompts and answers together, as if the cache were empty")
    money: Range
    seconds: Range | None = Field(description="None where the probe was in the cache and no pace is known")
    passing: Range | None = Field(default=None, description="share of the calls' results that are kept")
    probe: Usage = Field(description="what asking for this forecast has cost")
    reused: bool = Field(description="whether the run itself finds the probe's replies in the cache")


class Plan(_Figures):
    """What a run would use of its teacher, judge and labellers."""

    task: str
    traces: int
    judged: int = Field(description="traces that the judge would be asked about")
    rows: int = Field(description="synthetic rows that are wanted")
    forecasts: list[Forecast]
    exceeds: list[str] = Field(default_factory=list, description="budgets that the forecast goes beyond")
    notes: list[str] = Field(default_factory=list)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tokens(self) -> Range:
        """Tokens of all stages, prompts and answers together."""
        return _total([forecast.tokens for forecast in self.forecasts])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def money(self) -> Range:
        """Cost of all stages, in the currency of the prices."""
        return _total([forecast.money for forecast in self.forecasts])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def seconds(self) -> Range | None:
        """Seconds of all stages; None where that of one is not known."""
        known = [forecast.seconds for forecast in self.forecasts if forecast.seconds is not None]
        return _total(known) if len(known) == len(self.forecasts) else None


def _total(ranges: list[Range]) -> Range:
    return sum(ranges, Range(value=0, low=0, high=0))

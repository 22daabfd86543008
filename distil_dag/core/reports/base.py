"""A share with its confidence interval, and what all reports have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Report(BaseModel):
    """Base of all reports. It forbids unknown fields, so that a misspelt one is no silent default."""

    # A loss that diverged is NaN, and has to be read back as such for the gate to see it.
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")


class Estimate(Report):
    """A share with its confidence interval.

    Attributes:
        value: the estimate.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    value: float
    low: float
    high: float

"""What a run has used of its models, what that cost, and when it has to stop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from distil_dag.core.settings import BudgetSpec, PriceSpec

Limit = Literal["tokens", "money", "hours"]


class Usage(BaseModel):
    """Use of one model, or of several together. Calls that the cache answered cost nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: int = Field(default=0, description="really made")
    cached: int = Field(default=0, description="answered by the cache")
    failed: int = Field(default=0, description="of the calls made, those without an answer")
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = Field(default=0.0, description="in which calls were under way, or its server ran")
    money: float = Field(default=0.0, description="in the currency of the prices")

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        mine, theirs = self.model_dump(), other.model_dump()
        return Usage.model_validate({name: mine[name] + theirs[name] for name in mine})


class Spending(BaseModel):
    """A run's use of all its models, over all its assets and attempts."""

    model_config = ConfigDict(extra="forbid")

    models: dict[str, Usage] = Field(default_factory=dict, description="a model's identity -> its use")

    @property
    def total(self) -> Usage:
        """The use of all models together."""
        return sum(self.models.values(), Usage())


class BudgetReachedError(RuntimeError):
    """A run may send nothing more. The message says what was used, and :attr:`setting` what allows more.

    Attributes:
        limit: the limit that was reached.
        used: how much of it was used, in its unit.
        allowed: how much the task allows.
    """

    def __init__(self, limit: Limit, used: float, allowed: float) -> None:
        self.limit: Limit = limit
        self.used = used
        self.allowed = allowed
        super().__init__(
            f"the budget of {amount(limit, allowed)} is reached: this run has used {amount(limit, used)}"
        )

    @property
    def setting(self) -> str:
        """The setting of `task.yaml` that stopped the run."""
        return f"budget.{self.limit}"


def cost(price: PriceSpec, prompt_tokens: float, completion_tokens: float, seconds: float) -> float:
    """What tokens and time cost.

    Args:
        price: prices of a million tokens and of an hour.
        prompt_tokens: tokens of prompts.
        completion_tokens: tokens of answers.
        seconds: time that is paid for.

    Returns:
        The cost in the currency of the price.
    """
    return (
        price.prompt_per_million * prompt_tokens / 1e6
        + price.completion_per_million * completion_tokens / 1e6
        + price.per_hour * seconds / 3600
    )


def limits(budget: BudgetSpec, used: Usage) -> Iterator[tuple[Limit, float, float]]:
    """Each limit that is set.

    Yields:
        Its name, what was used of it, and what is allowed, in tokens, money or hours.
    """
    for name, amount_used, allowed in (
        ("tokens", used.tokens, budget.tokens),
        ("money", used.money, budget.money),
        ("hours", used.seconds / 3600, budget.hours),
    ):
        if allowed is not None:
            yield name, amount_used, allowed  # type: ignore[misc]


def check(budget: BudgetSpec, used: Usage) -> None:
    """Refuse to go on where nothing is left of a limit.

    Raises:
        BudgetReachedError: naming the first such limit.
    """
    for name, spent, allowed in limits(budget, used):
        if spent >= allowed:
            raise BudgetReachedError(name, spent, allowed)


def calls_left(budget: BudgetSpec, used: Usage) -> float | None:
    """How many more calls fit into the budget, if each costs what the calls so far did on average.

    Returns:
        A number that may be infinite; None before any call.
    """
    if not used.calls:
        return None
    fitting = [(allowed / spent - 1) * used.calls for _, spent, allowed in limits(budget, used) if spent]
    return min(fitting, default=math.inf)


def amount(limit: Limit, value: float) -> str:
    """An amount as people read it: `12,400 tokens`, `0.031 of money`, `1.50 hours`."""
    if limit == "tokens":
        return f"{value:,.0f} tokens"
    return f"{money(value)} of money" if limit == "money" else f"{value:.3g} hours"


def money(value: float) -> str:
    """Money to the cent, or to three digits below a unit: `12.40`, `0.0312`."""
    return f"{value:,.2f}" if value >= 1 or not value else f"{value:.3g}"

"""How the probability of an answer is read as the probability that it is right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# Key-values of a GGUF file begin so.
PREFIX = "distil_dag.confidence."


class Confidence(BaseModel):
    """A calibration, fitted on cases that the student had not learned from.

    The log odds that an answer is right are `slope` times its score, plus `intercept`. The score is the
    natural log of its probability, less a doubt (:class:`distil_dag.core.ranking.Ranking`).

    Attributes:
        slope: change of the log odds for each unit of the score.
        intercept: the log odds at score 0.
        threshold: the smallest score at which `target_precision` held on those cases;
            None where it held nowhere.
        target_precision: the wanted share of right answers among those at the threshold or above.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    slope: float
    intercept: float
    threshold: float | None
    target_precision: float = Field(gt=0, lt=1)
    cases: int = Field(ge=1, description="on which this was found")
    right: int = Field(ge=0, description="of them answered exactly")
    kept: int = Field(ge=0, description="of them at the threshold or above")
    kept_right: int = Field(ge=0)

    def right_with(self, score: float) -> float:
        """The probability that an answer is right.

        Args:
            score: of the answer.
        """
        odds = self.slope * score + self.intercept
        return 1 / (1 + math.exp(-odds)) if odds >= 0 else math.exp(odds) / (1 + math.exp(odds))

    def holds(self, score: float) -> bool:
        """Whether an answer is at the threshold or above.

        Args:
            score: of the answer.

        Returns:
            True where answers are right as often as `target_precision` wants.
        """
        return self.threshold is not None and score >= self.threshold

    def key_values(self) -> dict[str, str]:
        """The calibration as key-values of a GGUF file.

        Returns:
            Key -> value as text; the key of the threshold is missing where there is none.
        """
        return {PREFIX + name: repr(value) for name, value in self.model_dump(exclude_none=True).items()}

    @classmethod
    def from_key_values(cls, carried: Mapping[str, str]) -> Self | None:
        """Read a calibration from the key-values of a GGUF file.

        Args:
            carried: all key-values of the file.

        Returns:
            The inverse of :meth:`key_values`; None for a file without them.

        Raises:
            ValueError: for key-values that are no calibration.
        """
        own = {name.removeprefix(PREFIX): value for name, value in carried.items() if name.startswith(PREFIX)}
        if not own:
            return None
        try:
            return cls.model_validate({"threshold": None, **own})
        except ValidationError as error:
            raise ValueError(f"the key-values {PREFIX}* are damaged: {error}") from None

"""How surely an answer is right, for ranking: its probability, and whether a second model says the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# Key-value of a GGUF file.
KEY = "distil_dag.ranking"


class Ranking(BaseModel):
    """What ranks a student's answers, fitted on cases that the student had not learned from.

    The draft model learns from the same rows in another way than the student, so it seldom makes the same
    mistake. An answer that it would not have given is ranked as one that is less probable by `doubt`.

    Attributes:
        doubt: natural log of the factor, 0 or more.
        cases: on which it was found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    doubt: float = Field(ge=0)
    cases: int = Field(ge=0)

    def score(self, logprob: float, drafted: bool) -> float:
        """What ranks an answer; higher is surer.

        Args:
            logprob: natural log of its probability.
            drafted: whether the draft model gives the same answer.
        """
        return logprob if drafted or logprob == -math.inf else logprob - self.doubt

    def key_values(self) -> dict[str, str]:
        """The ranking as a key-value of a GGUF file."""
        return {KEY: self.model_dump_json()}

    @classmethod
    def from_key_values(cls, carried: Mapping[str, str]) -> Self:
        """The ranking that a file carries.

        Args:
            carried: all key-values of the file.

        Returns:
            The inverse of :meth:`key_values`; for a file without it, that by the probability alone.

        Raises:
            ValueError: for a key-value that is no ranking.
        """
        if KEY not in carried:
            return cls(doubt=0.0, cases=0)
        try:
            return cls.model_validate_json(carried[KEY])
        except ValidationError as error:
            raise ValueError(f"the key-value {KEY} is damaged: {error}") from None

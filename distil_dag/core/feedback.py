"""What people or programs said of an answer, as a recorder keeps it."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

# Other scores may be good where they are low: toxicity, latency.
_OF_THE_ANSWER = re.compile(
    r"user|feedback|thumb|rating|stars|like|helpful|accept|correct|quality|satisf|human|reaction|vote", re.I
)
_OF_STARS = re.compile(r"rating|stars", re.I)
_BAD = frozenset(
    {"thumbs_down", "thumbsdown", "thumbs-down", "down", "dislike", "disliked", "bad", "negative", "no",
     "incorrect", "wrong", "rejected", "poor", "false", "\N{THUMBS DOWN SIGN}"}
)  # fmt: skip
_FEW_STARS = 2


class Feedback(BaseModel):
    """One score of an answer.

    Attributes:
        name: what was scored, as the recorder calls it.
        value: the score; a label in lower case.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    value: bool | float | str

    @property
    def is_bad(self) -> bool:
        """Whether it says that the answer was wrong: a thumb down, a score of nothing, few stars."""
        if not _OF_THE_ANSWER.search(self.name):
            return False
        if isinstance(self.value, str):
            return self.value in _BAD
        if isinstance(self.value, bool):
            return not self.value
        if _OF_STARS.search(self.name) and self.value == int(self.value):
            return self.value <= _FEW_STARS
        return self.value < 0.5  # from 0 to 1, or from -1 to 1

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"

"""Notices that answers are wrong more often than allowed, soon, and seldom by mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# By how much the odds of a disagreement may have risen: from slightly more to nearly always.
_ODDS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True)
class ChangeDetector:
    """An e-detector (Shiryaev-Roberts form) for the share of disagreements among answers, as a value.

    Each answer multiplies its evidence against "one in `1 / allowed` disagrees, at most", and one more game
    begins with each answer, since the change may have come there. As long as no more disagree than allowed,
    an alarm comes after `patience` answers at the earliest on average, at any share up to the allowed one and
    whatever the order. Well below it, alarms by mistake are far rarer.

    Source: J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change
    detection", New England J. Stat. Data Sci. 2 (2024) 229-260, with a mixture over the size of the change.

    Attributes:
        allowed: share of disagreements that is no reason for an alarm, between 0 and 1.
        patience: mean number of answers between two alarms by mistake, at least.
        games: evidence for each size of the change.
    """

    allowed: float
    patience: float
    games: Sequence[float] = (0.0,) * len(_ODDS)

    @property
    def alarm(self) -> bool:
        """Whether the share has risen."""
        return sum(self.games) / len(self.games) >= self.patience

    def after(self, agreed: bool) -> ChangeDetector:
        """The detector after one more answer."""
        factors = (_factor(self.allowed, odds, agreed) for odds in _ODDS)
        games = tuple((game + 1) * factor for game, factor in zip(self.games, factors, strict=True))
        return ChangeDetector(self.allowed, self.patience, games)


def _factor(allowed: float, odds: float, agreed: bool) -> float:
    """Likelihood of an answer under the raised odds over that under the allowed share."""
    scale = 1 - allowed + odds * allowed
    return (1.0 if agreed else odds) / scale

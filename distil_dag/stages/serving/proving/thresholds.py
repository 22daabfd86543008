"""The scores among which a threshold is chosen, and where the choice begins."""

from __future__ import annotations

import math
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

# Shares of requests that thresholds are laid for.
_SHARES = tuple(part / 20 for part in range(1, 21))
# Shares where a test may begin, for want of better knowledge.
_STARTS = (0.2, 0.4, 0.6, 0.8)
# A share of right answers on few rows promises too much; this much of what it keeps is a safer start.
_SAFE = 2 / 3


@dataclass(frozen=True)
class Thresholds:
    """Scores from strict to lax, each with its own part of alpha.

    Attributes:
        scores: the thresholds, falling; the last one is below every score.
        parts: of alpha, 1 in sum.
    """

    scores: tuple[float, ...]
    parts: tuple[float, ...]

    @classmethod
    def laid(cls, scouts: Sequence[tuple[float, bool]], target: float) -> Thresholds:
        """Thresholds by the scores of some answers, which must prove nothing afterwards.

        Half of alpha goes to four places, the other half to where the answers point: some way above the
        lowest score at which the share that agrees reaches the target.

        Args:
            scouts: score and agreement of answers, one at least.
            target: the wanted share of agreement.
        """
        ordered = sorted(scouts, key=lambda scout: -scout[0])
        scores = [ordered[math.ceil(share * len(ordered)) - 1][0] for share in _SHARES]
        # The laxest takes everything, also what is less sure than any of these answers.
        distinct = (*sorted(set(scores[:-1]), reverse=True), -sys.float_info.max)
        parts = [0.0] * len(distinct)
        starts = [(share, 0.5 / len(_STARTS)) for share in _STARTS]
        reached = _reached(ordered, target)
        starts = [*starts, (_SAFE * reached, 0.5)] if reached else [(s, 2 * part) for s, part in starts]
        for share, part in starts:
            score = ordered[max(1, math.ceil(share * len(ordered))) - 1][0]
            parts[_place(distinct, score)] += part
        return cls(distinct, tuple(parts))

    def place(self, score: float) -> int:
        """The strictest threshold that a score reaches; their number where it reaches none."""
        return _place(self.scores, score)


def _place(scores: Sequence[float], score: float) -> int:
    return bisect_left(scores, -score, key=lambda threshold: -threshold)


def _reached(ordered: Sequence[tuple[float, bool]], target: float) -> float:
    """The largest share of answers, surest first, that agrees as wanted; 0 if none does."""
    right, found = 0, 0.0
    for number, (_, agreed) in enumerate(ordered, 1):
        right += agreed
        if right >= target * number:
            found = number / len(ordered)
    return found

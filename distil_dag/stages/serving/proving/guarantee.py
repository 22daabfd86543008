"""What share of requests a student may answer alone, by a fixed number of rows looked at once."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from distil_dag.core.reports.evidence import Guarantee, MoreCoverage
from distil_dag.stages.serving.proving.calibration_rows import ScoredRow
from distil_dag.stages.serving.proving.fallback import levels

# Numbers of rows that are tested, between the fewest that can prove anything and all.
_TESTS = 40
# Starts at the fewest rows, at twice as many, four times, and so on.
_STARTS = 3
# Ten points of coverage are a step.
_STEP = 0.1
_MOST = 10_000_000


def guarantee(rows: Sequence[ScoredRow], target: float, confidence: float = 0.95) -> Guarantee:
    """The lowest threshold at which answers are right as often as wanted, with a confidence.

    The rows are a fair sample of the requests that it is to hold for. The surest `k` rows are draws of what
    lies above the score of the next one, whatever that score is, so the number of right ones among them is
    binomial, and Clopper and Pearson's lower bound is exact.

    The bound is asked for a rising `k`, from the fewest
    rows that could reach the target without a mistake, by the fallback procedure: with several starts, since
    one mistake among the surest would else end it.

    Source: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case
    of the binomial", Biometrika 26 (1934) 404-413; A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan,
    L. Lei, "Learn then test: calibrating predictive algorithms to achieve risk control", Ann. Appl. Stat. 19
    (2025) 1641-1662.

    Args:
        rows: score of each answer, and whether it is right.
        target: the wanted share of right answers, between 0 and 1.
        confidence: of the guarantee, between 0 and 1.

    Returns:
        Threshold and coverage, both as guaranteed and as they stand without a guarantee.
    """
    surest = sorted(rows, key=lambda row: -row[0])
    # What has no probability at all is less sure than anything.
    ordered = np.array([max(score, -sys.float_info.max) for score, _ in surest])
    hits = np.array([right for _, right in surest], dtype=bool).cumsum()
    # Rows with equal scores are taken together or not at all.
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) + 1 if len(ordered) else hits
    alpha = 1 - confidence
    kept = _proved(hits, last, target, alpha)
    reached = last[hits[last - 1] >= target * last] if len(last) else last
    share = kept / len(ordered) if kept else 0.0
    return Guarantee(
        target=target,
        confidence=confidence,
        rows=len(ordered),
        kept=kept,
        right=int(hits[kept - 1]) if kept else 0,
        threshold=_threshold(ordered, kept),
        coverage=share,
        point_coverage=float(reached[-1] / len(ordered)) if len(reached) else 0.0,
        more=_more(hits, share, target, alpha),
    )


def _proved(hits: NDArray[np.int64], last: NDArray[np.int64], target: float, alpha: float) -> int:
    """The largest number of rows, surest first, that are shown to be right as often as wanted."""
    from scipy.stats import binom

    tests, alphas = _tests(len(hits), target, alpha)
    if not tests:
        return 0
    # Each number is rounded up to where a score ends, which depends on scores alone.
    sizes = last[np.searchsorted(last, tests)]
    evidence = -binom.logsf(hits[sizes - 1] - 1, sizes, target)
    shown = [size for size, level in zip(sizes, levels(evidence.tolist(), alphas), strict=True) if level]
    return int(shown[-1]) if shown else 0


def _tests(rows: int, target: float, alpha: float) -> tuple[list[int], list[float]]:
    """Numbers of rows to test, rising, and the part of alpha that begins at each."""
    starts = 1
    while starts < _STARTS and _fewest(target, alpha / (starts + 1)) * 2**starts <= rows:
        starts += 1
    fewest = _fewest(target, alpha / starts)
    if fewest > rows:
        return [], []
    begins = [fewest * 2**place for place in range(starts)]
    tests = sorted({*begins, *np.linspace(fewest, rows, _TESTS).round().astype(int).tolist()})
    return tests, [alpha / starts if size in begins else 0.0 for size in tests]


def _fewest(target: float, alpha: float) -> int:
    """Rows that show the target if all are right."""
    return math.ceil(math.log(alpha) / math.log(target))


def _threshold(ordered: NDArray[np.float64], kept: int) -> float | None:
    """The least score above that of the first row that is not kept; of all numbers, if all are kept."""
    if not kept:
        return None
    if kept == len(ordered):
        return -sys.float_info.max
    return math.nextafter(float(ordered[kept]), math.inf)


def _more(hits: NDArray[np.int64], share: float, target: float, alpha: float) -> list[MoreCoverage]:
    """What each further ten points would take, if rows go on to be right as often as these at that share."""
    found, rows = [], len(hits)
    for step in range(math.floor(share / _STEP + 1e-9) + 1, round(1 / _STEP) + 1):
        coverage = step * _STEP
        taken = math.ceil(coverage * rows)
        rate = float(hits[taken - 1] / taken) if rows else 0.0
        needed = _rows_needed(coverage, rate, target, alpha)
        found.append(
            MoreCoverage(
                coverage=round(coverage, 2), rate=rate, rows=None if needed is None else max(1, needed - rows)
            )
        )
    return found


def _rows_needed(coverage: float, rate: float, target: float, alpha: float) -> int | None:
    """Rows in all, so that their surest part shows the target; None where its rate never would."""
    from scipy.stats import binom

    def shown(rows: int) -> bool:
        taken = math.ceil(coverage * rows)
        return bool(binom.sf(math.floor(rate * taken) - 1, taken, target) <= alpha)

    if rate <= target:
        return None
    high = 1
    while not shown(high):
        high *= 2
        if high > _MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high

"""Lower bounds for a mean that hold at every moment at once, however often they are looked at.

A bound for a fixed number of answers, such as Clopper and Pearson's, is wrong more often the more often it is
looked at.

These bounds come from games: a gambler bets against the claim that the mean is `m` or less. Were the claim
true, the gambler's capital would have an expectation of 1 at most whenever the game stops, and by
Ville's inequality it would ever reach `1 / alpha` with a probability of `alpha` at most. The bound is the
largest `m` that capital has refuted.

Why not the package `confseq`: it says of itself that it is in early development and not to be relied on,
compiles C++ against Boost, and asks for all values again at every look.

Source: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", J. R. Stat.
Soc. B 86 (2024) 1-27.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Bets of the weighted form, as shares of the greatest one that can't ruin the gambler.
_BETS = np.concatenate([[0.9], 2.0 ** -np.arange(1, 13)])
# To which a bound is solved.
_EXACT = 1e-9


def log_evidence(agreed: ArrayLike, disagreed: ArrayLike, target: float) -> Floats:
    """Log of the capital against "at most `target` of the answers agree".

    It is the likelihood of the answers under higher rates, by Jeffreys' prior of a rare event cut off at the
    target, over their likelihood under the target: with `e = 1 - target` and `x` from 0 to `e`,

        integral of (1 - x)^agreed x^disagreed d(sqrt(x / e))  /  ((1 - e)^agreed e^disagreed)

    Each factor of the mixture falls in expectation under every rate up to the target, so the capital is an
    e-process: its expectation is at most 1 whenever one stops. With no disagreement it takes 188 answers to
    show 98 % with a confidence of 95 %, where Clopper and Pearson's bound, looked at once, takes 149.

    Source: H. Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Stat.
    41 (1970) 1397-1409 (mixtures); S. R. Howard, A. Ramdas, J. McAuliffe, J. Sekhon, "Time-uniform,
    nonparametric, nonasymptotic confidence sequences", Ann. Stat. 49 (2021) 1055-1080 (beta-binomial).

    Args:
        agreed: numbers of answers that agree, 0 or more.
        disagreed: numbers of answers that do not, of the same shape.
        target: the claimed rate, between 0 and 1.

    Returns:
        The natural logs, in the shape of the arguments; 0 without answers.

    Raises:
        ValueError: for a target that is not between 0 and 1.
    """
    from scipy.special import betaln, log1p, xlogy

    if not 0 < target < 1:
        raise ValueError(f"a target lies between 0 and 1, not at {target}")
    hits, misses = np.asarray(agreed, dtype=float), np.asarray(disagreed, dtype=float)
    rest = 1 - target
    mixed = betaln(misses + 0.5, hits + 1) + _log_beta_share(misses + 0.5, hits + 1, rest)
    found = mixed + math.log(0.5) - 0.5 * math.log(rest) - hits * log1p(-rest) - xlogy(misses, rest)
    return np.asarray(found, dtype=float)


def lower_bound(agreed: int, disagreed: int, confidence: float = 0.95) -> float:
    """The share of answers that agree, at least, by answers counted so far.

    With the probability `confidence`, it is below the true share at all moments of one stream.

    Args:
        agreed: number of answers that agree.
        disagreed: number of answers that do not.
        confidence: between 0 and 1.

    Returns:
        The bound; 0 without answers that agree.
    """
    if not agreed:
        return 0.0
    needed = -math.log1p(-confidence)
    return _largest(lambda m: float(log_evidence(agreed, disagreed, m)) >= needed)


def weighted_lower_bound(values: Sequence[float], least: float, confidence: float = 0.95) -> float:
    """The same for the mean of any values from `least` to 1, such as answers weighted by 1 / probability.

    An answer that was looked at with the probability `r` counts as `1 - wrong / r`, one that was not as 1:
    its mean is that of the agreement, and `least` is `1 - 1 / r`. The gambler spreads its capital over a
    dozen bets of fixed size (hedged capital).

    Args:
        values: in any order that does not look ahead.
        least: the smallest value that can come.
        confidence: between 0 and 1.

    Returns:
        The bound, between 0 and 1; 0 where nothing is refuted.

    Raises:
        ValueError: for a value outside of `least` to 1.
    """
    seen = np.asarray(values, dtype=float)
    if seen.size and not (least <= seen.min() and seen.max() <= 1):
        raise ValueError(f"values must lie between {least} and 1: {seen.min()} to {seen.max()} given")
    needed = -math.log1p(-confidence)
    # Equal values are multiplied at once.
    distinct, times = np.unique(seen, return_counts=True)

    def refuted(mean: float) -> bool:
        gains = _BETS[:, None] / (mean - least) * (distinct - mean)
        logs = (times * np.log1p(gains)).sum(axis=1)
        return bool(np.logaddexp.reduce(logs) - math.log(_BETS.size) >= needed)

    return _largest(refuted, max(0.0, least))


def _largest(refuted: Callable[[float], bool], low: float = 0.0) -> float:
    """The largest mean up to which all are refuted."""
    high = 1.0
    while high - low > _EXACT:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def _log_beta_share(first: Floats, second: Floats, end: float) -> Floats:
    """Log of the regularised incomplete beta function, by its continued fraction's limit where it underflows.

    Far in the tail it is `end^a (1 - end)^b / (a B(a, b))` times a factor above 1, which is left out: the
    capital is then less than it could be, and no proof rests on it.
    """
    from scipy.special import betainc, betaln

    share = betainc(first, second, end)
    tail = first * math.log(end) + second * math.log1p(-end) - np.log(first) - betaln(first, second)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(share > 0, np.log(share), tail), dtype=float)

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
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Gauss and Legendre's rule from 0 to 1: exact for 63 answers, and a fair game for any number.
_NODES, _DOUBLE_SHARES = np.polynomial.legendre.leggauss(64)
_SHARES = _DOUBLE_SHARES / 2
# The gambler's bets, as shares of the greatest one that can't ruin it.
_BETS = 1 - ((_NODES + 1) / 2) ** 2
# To which a bound is solved.
_EXACT = 1e-9


def log_evidence(agreed: ArrayLike, disagreed: ArrayLike, target: float, weights: ArrayLike = 1.0) -> Floats:
    """Log of the capital against "at most `target` of the answers agree".

    It is the likelihood of the answers under higher rates, by Jeffreys' prior of a rare event cut off at the
    target, over their likelihood under the target: with `e = 1 - target` and `x` from 0 to `e`,

        integral of (1 - x)^agreed x^disagreed d(sqrt(x / e))  /  ((1 - e)^agreed e^disagreed)

    Each `x` is a gambler that stakes the share `b = 1 - x / e` on every answer: its capital grows by the
    factor `1 + b e / (1 - e)` where the answer agrees, and falls by `1 - b` where not.

    On an answer of weight `w` it stakes `b w`. So answers that are seen with different probabilities make one
    fair game, if each is weighed in inverse proportion to its probability, and both depend on the past alone:
    at a rate up to the target no stake wins on average. A weight is worth more than drawing whether the
    answer counts, since the log is concave.

    Each factor falls in expectation under every rate up to the target, so the capital is an e-process: its
    expectation is at most 1 whenever one stops. With no disagreement it takes 188 answers to show 98 % with a
    confidence of 95 %, where Clopper and Pearson's bound, looked at once, takes 149.

    Source: H. Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Stat.
    41 (1970) 1397-1409 (mixtures); S. R. Howard, A. Ramdas, J. McAuliffe, J. Sekhon, "Time-uniform,
    nonparametric, nonasymptotic confidence sequences", Ann. Stat. 49 (2021) 1055-1080 (beta-binomial);
    I. Waudby-Smith, L. Wu, A. Ramdas, N. Karampatziakis, P. Mineiro, "Anytime-valid off-policy inference for
    contextual bandits", ACM/IMS J. Data Sci. 1 (2024) (weights).

    Args:
        agreed: numbers of answers that agree, 0 or more; with `weights`, a row for each weight.
        disagreed: numbers of answers that do not, of the same shape.
        target: the claimed rate, between 0 and 1.
        weights: of the rows, above 0 and up to 1.

    Returns:
        The natural logs, one for each claim; 0 without answers.

    Raises:
        ValueError: for a target that is not between 0 and 1, or such a weight.
    """
    won, lost = _log_factors(target, tuple(np.atleast_1d(weights).tolist()))
    hits, misses = np.asarray(agreed, dtype=float), np.asarray(disagreed, dtype=float)
    if np.ndim(weights) == 0:
        hits, misses = hits[None], misses[None]
    # One row for each claim, one column for each bet.
    weight_last = (*range(1, hits.ndim), 0)
    logs = hits.transpose(weight_last) @ won + misses.transpose(weight_last) @ lost
    # As logaddexp, which is ten times slower here.
    most = logs.max(axis=-1)
    return np.asarray(most + np.log(np.exp(logs - most[..., None]) @ _SHARES), dtype=float)


@lru_cache(maxsize=256)
def _log_factors(target: float, weights: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Logs of what an answer that agrees multiplies capital by, and one that does not: by weight and bet."""
    if not 0 < target < 1:
        raise ValueError(f"a target lies between 0 and 1, not at {target}")
    if not all(0 < weight <= 1 for weight in weights):
        raise ValueError(f"weights lie above 0 and up to 1: {weights} given")
    stakes = _BETS * np.array(weights)[:, None]
    return np.log1p(stakes * ((1 - target) / target)), np.log1p(-stakes)


def lower_bound(
    agreed: ArrayLike, disagreed: ArrayLike, confidence: float = 0.95, weights: ArrayLike = 1.0
) -> float:
    """The share of answers that agree, at least, by answers counted so far.

    With the probability `confidence`, it is below the true share at all moments of one stream.

    Args:
        agreed: number of answers that agree; with `weights`, one for each weight.
        disagreed: number of answers that do not, likewise.
        confidence: between 0 and 1.
        weights: of the numbers; see :func:`log_evidence`.

    Returns:
        The bound; 0 without answers that agree.
    """
    if not np.any(agreed):
        return 0.0
    needed = -math.log1p(-confidence)
    return _largest(lambda m: float(log_evidence(agreed, disagreed, m, weights)) >= needed)


def _largest(refuted: Callable[[float], bool]) -> float:
    """The largest mean up to which all are refuted."""
    low, high = 0.0, 1.0
    while high - low > _EXACT:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low

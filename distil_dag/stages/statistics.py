"""Intervals and tests for scores on a test set: how far a measured number can be trusted.

All candidates answer the same cases, so two of them are compared case by case (paired), which
needs far fewer cases than comparing two independent shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from distil_dag.core.reports.base import Estimate

Floats = NDArray[np.float64]

_POWER = 0.8
# Numbers drawn at a time: without a bound, a bootstrap holds resamples times cases of them.
_DRAWN = 1_000_000


@dataclass(frozen=True)
class PairedDifference:
    """Two candidates on the same cases: difference of their shares, first minus second.

    `first_only` and `second_only` count the cases that only one of them got right (the
    discordant ones), which is all that a paired comparison rests on.
    """

    n: int
    first_only: int
    second_only: int
    difference: Estimate
    p_value: float
    minimum_detectable: float


def wilson(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """A share with its Wilson score interval; without cases, 0 with the interval [0, 1].

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", J. Am. Stat. Assoc. 22 (1927) 209-212.
    """
    from scipy.stats import binomtest

    if n == 0:
        return Estimate(value=0.0, low=0.0, high=1.0)
    low, high = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Estimate(value=successes / n, low=float(low), high=float(high))


def bootstrap_mean(
    values: Sequence[float], confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """The mean of scores in [0, 1] with its bootstrap percentile interval.

    Where all values are equal, resampling shows no spread and would claim certainty; there the
    Wilson interval stands in. It bounds the interval of any variable in [0, 1], because none
    varies more than a yes-or-no variable of the same mean.
    """
    scores = np.asarray(values, dtype=float)
    if scores.size == 0 or scores.min() == scores.max():
        # Wilson's interval counts whole cases; its ends rise with the count, so rounding outwards is safe.
        total = float(scores.sum())
        return Estimate(
            value=total / max(1, scores.size),
            low=wilson(math.floor(total), scores.size, confidence).low,
            high=wilson(math.ceil(total), scores.size, confidence).high,
        )
    return _percentile(scores, confidence, resamples, seed)


def auroc(scores: Floats, right: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: the chance that a right case scores above a wrong one, ties half.

    `scores` and `right` hold a value a case, and `right` has cases of both kinds. A score may be infinite,
    which scikit-learn's `roc_auc_score` refuses: an answer can have no probability at all.
    """
    from scipy.stats import mannwhitneyu

    above, below = scores[right], scores[~right]
    return float(mannwhitneyu(above, below, method="asymptotic").statistic / (above.size * below.size))


def compare(first: Sequence[bool], second: Sequence[bool], confidence: float = 0.95) -> PairedDifference:
    """Compare two candidates on the same cases, in the same order; ValueError without cases."""
    if len(first) != len(second) or not first:
        raise ValueError(f"need the same cases, at least one: {len(first)} and {len(second)} given")
    first_only = sum(a and not b for a, b in zip(first, second, strict=True))
    second_only = sum(b and not a for a, b in zip(first, second, strict=True))
    n = len(first)
    return PairedDifference(
        n=n,
        first_only=first_only,
        second_only=second_only,
        difference=paired_interval(first_only, second_only, n, confidence),
        p_value=mcnemar_exact(first_only, second_only),
        minimum_detectable=minimum_detectable((first_only + second_only) / n, n, confidence),
    )


def paired_interval(first_only: int, second_only: int, n: int, confidence: float = 0.95) -> Estimate:
    """The difference of two paired shares with Tango's score interval.

    It excludes zero exactly when McNemar's test (without continuity correction) rejects
    equality at the same level. Source: T. Tango, "Equivalence test and confidence interval for
    the difference in proportions for the paired-sample design", Stat. Med. 17 (1998) 891-908;
    recommended by M. W. Fagerland, S. Lydersen, P. Laake, Stat. Med. 33 (2014) 2850-2875.
    """
    from scipy.optimize import brentq

    observed = (first_only - second_only) / n
    z = _z(1 - (1 - confidence) / 2)

    def distance(delta: float) -> float:
        """Standard errors between the observed difference and `delta`, were `delta` true."""
        spread = _variance(first_only, second_only, n, delta)
        gap = n * (observed - delta)
        if spread <= 0:
            return math.inf * gap if gap else 0.0
        return gap / math.sqrt(spread)

    low = -1.0 if distance(-1.0) <= z else brentq(lambda delta: _finite(distance(delta)) - z, -1.0, observed)
    high = 1.0 if distance(1.0) >= -z else brentq(lambda delta: _finite(distance(delta)) + z, observed, 1.0)
    return Estimate(value=observed, low=low, high=high)


def paired_bootstrap(
    first_only: int, second_only: int, n: int, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """The difference of two paired shares with its bootstrap percentile interval over cases.

    Where all cases fall to one side, or none to either, resampling shows no spread, and Tango's interval
    stands in.
    """
    counts = (first_only, second_only, n - first_only - second_only)
    if n in counts:
        return paired_interval(first_only, second_only, n, confidence)
    of_case = np.repeat([1.0, -1.0, 0.0], counts)
    return _percentile(of_case, confidence, resamples, seed)


def mcnemar_exact(first_only: int, second_only: int) -> float:
    """Two-sided exact p-value of equal shares, from the discordant cases alone; 1 without any.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12 (1947) 153-157, with binomial tails.
    """
    from scipy.stats import binomtest

    discordant = first_only + second_only
    return float(binomtest(first_only, discordant, 0.5).pvalue) if discordant else 1.0


def minimum_detectable(discordant: float, n: int, confidence: float = 0.95) -> float:
    """The smallest true difference that McNemar's test on `n` cases shows with a power of 80 %.

    `discordant` is the share of cases that only one of the two gets right. Solves Connor's
    sample size for the difference d, with psi the discordant share and z the normal quantiles
    of the two-sided level and of the power:

        n d^2 = (z_level sqrt(psi) + z_power sqrt(psi - d^2))^2

    A difference cannot exceed the discordant share. Where the solution would, the test has too
    few discordant cases to show anything, and the answer is the smallest share of discordant
    cases, all in one direction (psi = d), that it would show; at most 1. Source: R. J. Connor,
    "Sample size for testing differences in proportions for the paired-sample design",
    Biometrics 43 (1987) 207-211.
    """
    from scipy.optimize import brentq

    level, strength = _z(1 - (1 - confidence) / 2), _z(_POWER)
    inner = n + strength**2 - level**2
    if inner >= 0 and discordant > 0:
        root = level * math.sqrt(n) + strength * math.sqrt(inner)
        found = math.sqrt(discordant) * root / (n + strength**2)
        if found <= discordant:
            return found
    # psi = d turns the equation into n d = (z_level + z_power sqrt(1 - d))^2, falling on the right.
    if n <= level**2:
        return 1.0
    return float(brentq(lambda d: n * d - (level + strength * math.sqrt(1 - d)) ** 2, 0.0, 1.0))


def area_interval(area: float, right: int, wrong: int, confidence: float = 0.95) -> Estimate:
    """An area under the ROC curve of `right` and `wrong` cases with a score interval; one of each at least.

    Solves for the areas whose standard error, by Hanley and McNeil's model, puts the observed one at the
    edge, so the interval has a width where all cases are told apart. Source: R. G. Newcombe, "Confidence
    intervals for an effect size measure based on the Mann-Whitney statistic. Part 2", Stat. Med. 25
    (2006) 559-573, method 5.
    """
    from scipy.optimize import brentq

    z = _z(1 - (1 - confidence) / 2)
    mean = (right + wrong) / 2 - 1

    def gap(theta: float, sign: int) -> float:
        inner = 1 + mean * (1 - theta) / (2 - theta) + mean * theta / (1 + theta)
        return area - theta + sign * z * math.sqrt(theta * (1 - theta) * inner / (right * wrong))

    # At the ends themselves the standard error is zero, and so is the gap.
    low = brentq(lambda theta: gap(theta, -1), 0.0, min(area, 1 - 1e-9)) if area > 0 else 0.0
    high = brentq(lambda theta: gap(theta, 1), max(area, 1e-9), 1.0) if area < 1 else 1.0
    return Estimate(value=area, low=low, high=high)


def quantiles(values: Sequence[float], shares: Sequence[float]) -> list[float]:
    """The values below which these shares of `values` lie, interpolated linearly."""
    return [float(value) for value in np.quantile(np.asarray(values, dtype=float), list(shares))]


def _percentile(values: Floats, confidence: float, resamples: int, seed: int) -> Estimate:
    """The mean with its percentile interval.

    Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    from scipy.stats import bootstrap

    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, _DRAWN // values.size),
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    mean = float(values.mean())
    return Estimate(value=mean, low=min(float(found.low), mean), high=max(float(found.high), mean))


def _variance(first_only: int, second_only: int, n: int, delta: float) -> float:
    """Variance of `first_only - second_only` if the true difference is `delta`.

    The unknown share of `second_only` takes its maximum-likelihood value under `delta`, the
    positive root of a quadratic (Tango 1998, section 3).
    """
    b = (2 * n - first_only + second_only) * delta - first_only - second_only
    c = -second_only * delta * (1 - delta)
    share = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    return n * (2 * share + delta * (1 - delta))


def _finite(value: float) -> float:
    return max(-1e9, min(1e9, value))


def _z(share: float) -> float:
    return NormalDist().inv_cdf(share)

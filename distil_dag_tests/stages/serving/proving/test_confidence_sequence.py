"""Bounds that hold at any moment: their promise, and that they promise no less than they could."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from distil_dag.stages.serving.proving.confidence_sequence import log_evidence, lower_bound


@pytest.mark.parametrize(
    ("agreed", "disagreed", "target"), [(0, 0, 0.9), (40, 1, 0.9), (30, 9, 0.8), (5, 2, 0.2)]
)
def test_the_evidence_is_the_mixture_that_it_says(agreed: int, disagreed: int, target: float) -> None:
    rest = 1 - target

    # Over y = sqrt(x / rest), so that the prior is flat.
    def likelihood(y: float) -> float:
        x = rest * y * y
        return (1 - x) ** agreed * x**disagreed / ((1 - rest) ** agreed * rest**disagreed)

    expected = quad(likelihood, 0, 1, epsabs=1e-12)[0]
    assert float(log_evidence(agreed, disagreed, target)) == pytest.approx(math.log(expected), abs=1e-6)


@pytest.mark.parametrize("target", [0.5, 0.95, 0.98])
def test_capital_has_the_expectation_one_at_the_target(target: float) -> None:
    """Exactly, over all outcomes of a number of answers."""
    from scipy.stats import binom

    for answers in (1, 10, 60):
        hits = np.arange(answers + 1)
        capital = np.exp(log_evidence(hits, answers - hits, target))
        assert (binom.pmf(hits, answers, target) * capital).sum() == pytest.approx(1, abs=1e-9)
        assert (binom.pmf(hits, answers, target - 0.1) * capital).sum() < 1


@pytest.mark.parametrize("rate", [0.9, 0.98])
def test_looked_at_always_it_exceeds_the_truth_as_seldom_as_promised(rate: float) -> None:
    """A bound for a fixed number of answers, looked at as often, breaks the same promise."""
    from scipy.stats import beta

    draws = np.random.default_rng(0).random((300, 700)) < rate
    hits = draws.cumsum(axis=1)
    misses = np.arange(1, 701) - hits
    # The bound is above the truth exactly when the truth is refuted.
    broken = (log_evidence(hits, misses, rate) >= math.log(20)).any(axis=1).mean()
    assert broken <= 0.05
    fixed = (beta.ppf(0.05, hits, misses + 1) > rate).any(axis=1).mean()
    assert fixed > 0.08


def test_no_mistake_in_188_answers_shows_98_percent() -> None:
    assert lower_bound(188, 0) >= 0.98
    assert lower_bound(187, 0) < 0.98


@settings(deadline=None)
@given(st.integers(0, 5000), st.integers(0, 300), st.floats(0.5, 0.999))
def test_a_bound_is_below_the_share_and_rises_with_what_agrees(
    agreed: int, disagreed: int, confidence: float
) -> None:
    bound = lower_bound(agreed, disagreed, confidence)
    assert 0 <= bound < 1
    assert bound <= agreed / max(1, agreed + disagreed)
    assert lower_bound(agreed + 1, disagreed, confidence) >= bound
    assert lower_bound(agreed, disagreed + 1, confidence) <= bound + 1e-8


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(0, 200))
def test_whatever_is_below_the_bound_is_refuted_too(agreed: int, disagreed: int) -> None:
    bound = lower_bound(agreed, disagreed)
    below = [bound * part for part in (0.999, 0.9, 0.5, 0.1)]
    assert all(float(log_evidence(agreed, disagreed, m)) >= math.log(20) - 1e-3 for m in below if m > 1e-6)


def test_evidence_of_many_answers_stays_finite() -> None:
    found = log_evidence([0, 10**7, 10**6], [10**6, 0, 10**6], 0.98)
    assert np.isfinite(found).all()
    assert found[1] > 1e5
    assert found[2] < -100


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_target_without_room_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        log_evidence(1, 0, target)


@pytest.mark.parametrize("weight", [0.0, 1.1])
def test_a_weight_beyond_a_whole_answer_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weights lie above 0"):
        log_evidence([[1]], [[0]], 0.9, [weight])


# Half of the requests are sure and seen with the probability 1 / 4, the others are doubtful and seen always.
SURE, DOUBTFUL, SEEN = 0.94, 0.86, 0.25


def test_weighted_capital_has_the_expectation_one_at_the_target() -> None:
    """One seen answer of both kinds, which agree in 90 % together; unweighted it would be a winning game."""

    def capital(sure: float, doubtful: float, weight: float) -> float:
        seen = {(1.0, 1): SEEN * sure, (1.0, 0): SEEN * (1 - sure)}
        seen |= {(weight, 1): doubtful, (weight, 0): 1 - doubtful}
        if weight == 1.0:
            seen = {(1.0, 1): SEEN * sure + doubtful, (1.0, 0): SEEN * (1 - sure) + 1 - doubtful}
        mean = sum(
            chance * math.exp(float(log_evidence([[hit]], [[1 - hit]], 0.9, [w])[0]))
            for (w, hit), chance in seen.items()
        )
        return mean / (SEEN + 1)

    assert capital(SURE, DOUBTFUL, SEEN) == pytest.approx(1, abs=1e-12)
    assert capital(SURE - 0.02, DOUBTFUL, SEEN) < 1
    # Where the sure ones are the worse ones, counting all alike claims too much.
    assert capital(0.82, 0.98, SEEN) == pytest.approx(1, abs=1e-12)
    assert capital(0.82, 0.98, 1.0) > 1


def test_weighted_answers_keep_the_promise_at_all_moments() -> None:
    random = np.random.default_rng(1)
    broken, bounds = 0, []
    for _ in range(200):
        sure = random.random(3000) < 0.5
        hit = random.random(3000) < np.where(sure, SURE, DOUBTFUL)
        seen = ~sure | (random.random(3000) < SEEN)
        kinds = [(kind & seen & right).cumsum() for kind in (sure, ~sure) for right in (hit, ~hit)]
        agreed, disagreed = np.stack([kinds[0], kinds[2]]), np.stack([kinds[1], kinds[3]])
        broken += bool((log_evidence(agreed, disagreed, 0.9, [1.0, SEEN]) >= math.log(20)).any())
        bounds.append(lower_bound(agreed[:, -1], disagreed[:, -1], 0.95, [1.0, SEEN]))
    assert broken <= 16
    # A quarter of the requests would be a fair sample; weights know more than that sample does.
    assert np.mean(bounds) > lower_bound(675, 75)


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(0, 50), st.floats(0.02, 1))
def test_a_weight_says_more_than_drawing_whether_an_answer_counts(
    agreed: int, disagreed: int, weight: float
) -> None:
    for hit in (0, 1):
        whole, none = log_evidence([agreed, agreed + hit], [disagreed, disagreed + 1 - hit], 0.9)[::-1]
        rows = [[agreed], [hit]], [[disagreed], [1 - hit]]
        weighed = float(log_evidence(*rows, 0.9, [1.0, weight])[0])
        assert weighed >= weight * whole + (1 - weight) * none - 1e-9

"""Bounds that hold at any moment: their promise, and that they promise no less than they could."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from distil_dag.stages.serving.proving.confidence_sequence import (
    log_evidence,
    lower_bound,
    weighted_lower_bound,
)


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
    # Bets just above the target lose little: 1 / (2 (wrong - right * 0.02 / 0.98)) is left.
    assert found[2] == pytest.approx(-math.log(2 * (1e6 - 1e6 * 0.02 / 0.98)), abs=0.06)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_target_without_room_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        log_evidence(1, 0, target)


def test_weighted_answers_keep_the_promise_too() -> None:
    """Audits with a probability of a half, looked at after 100, 200 ... answers."""
    random = np.random.default_rng(1)
    broken = 0
    for _ in range(60):
        wrong, audited = random.random(1000) < 0.1, random.random(1000) < 0.5
        values = 1 - np.where(audited, wrong, 0) / 0.5
        broken += any(weighted_lower_bound(values[:n].tolist(), -1.0) > 0.9 for n in range(100, 1001, 100))
    assert broken <= 6


def test_weighted_bounds_come_near_the_mean() -> None:
    values = np.random.default_rng(2).random(4000).tolist()
    assert 0.45 < weighted_lower_bound(values, 0.0) < 0.5
    assert weighted_lower_bound([], -1.0) == 0.0
    with pytest.raises(ValueError, match="must lie between"):
        weighted_lower_bound([1.5], 0.0)

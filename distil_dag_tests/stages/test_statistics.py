from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2, multinomial

from distil_dag.stages.statistics import (
    auroc,
    bootstrap_mean,
    compare,
    mcnemar_exact,
    minimum_detectable,
    paired_bootstrap,
    paired_interval,
    quantiles,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe, Stat. Med. 17 (1998) 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_published_values(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert found.value == successes / n
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(("successes", "n"), [(3, 7), (81, 263), (2800, 2974)])
def test_wilson_solves_its_quadratic(successes: int, n: int) -> None:
    """Its ends are the shares whose own standard error puts the observed one at the quantile."""
    found = wilson(successes, n)
    for end in (found.low, found.high):
        distance = (successes / n - end) ** 2 / (end * (1 - end) / n)
        assert distance == pytest.approx(1.959963984540054**2, rel=1e-11)


def test_without_cases_nothing_is_known() -> None:
    assert wilson(0, 0).model_dump() == {"value": 0.0, "low": 0.0, "high": 1.0}
    assert bootstrap_mean([]).model_dump() == {"value": 0.0, "low": 0.0, "high": 1.0}


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_share_and_mirrors(counts: tuple[int, int]) -> None:
    successes, n = counts
    found, mirrored = wilson(successes, n), wilson(n - successes, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert found.low == pytest.approx(1 - mirrored.high)


def test_tango_published_value() -> None:
    # Airway reactivity before and after transplantation, 1 and 7 discordant of 21 children:
    # Fagerland, Lydersen and Laake, Stat. Med. 33 (2014) 2850-2875.
    found = paired_interval(1, 7, 21)
    assert (round(found.low, 3), round(found.high, 3)) == (-0.517, -0.026)


def test_tango_without_discordant_cases() -> None:
    # The interval is then z^2 / (n + z^2) on either side of zero.
    z_squared = 1.959964**2
    found = paired_interval(0, 0, 44)
    assert found.value == 0
    assert found.high == pytest.approx(z_squared / (44 + z_squared), rel=1e-5)
    assert found.low == pytest.approx(-found.high)


COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200)).filter(lambda c: sum(c) > 0)


@settings(deadline=None)
@given(COUNTS)
def test_paired_interval_is_consistent(counts: tuple[int, int, int]) -> None:
    first, second, _ = counts
    n = sum(counts)
    found, mirrored = paired_interval(first, second, n), paired_interval(second, first, n)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert found.low == pytest.approx(-mirrored.high, abs=1e-6)
    statistic = (first - second) ** 2 / (first + second) if first + second else 0.0
    critical = float(chi2.ppf(0.95, 1))
    if abs(statistic - critical) > 1e-6:
        assert (found.low > 0 or found.high < 0) == (statistic > critical)


@settings(deadline=None)
@given(COUNTS)
def test_paired_interval_solves_the_score_equation(counts: tuple[int, int, int]) -> None:
    """At its ends the score statistic, with the nuisance share found by search, is the quantile."""
    first, second, _ = counts
    n = sum(counts)
    for end in (paired_interval(first, second, n).low, paired_interval(first, second, n).high):
        if -0.999 < end < 0.999:
            share = _likeliest_share(first, second, n, end)
            spread = math.sqrt((2 * share + end - end * end) / n)
            assert abs((first - second) / n - end) / spread == pytest.approx(1.959964, rel=2e-3)


def _likeliest_share(first: int, second: int, n: int, delta: float) -> float:
    """Share of cases that only the second gets right, under a true difference: golden section."""

    def likelihood(share: float) -> float:
        parts = [(first, share + delta), (second, share), (n - first - second, 1 - 2 * share - delta)]
        if any(p <= 0 < count for count, p in parts):
            return -math.inf
        return sum(count * math.log(p) for count, p in parts if count)

    low, high = max(0.0, -delta), (1 - delta) / 2
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(200):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if likelihood(left) > likelihood(right) else (left, high)
    return (low + high) / 2


def test_mcnemar_exact_known_values() -> None:
    assert mcnemar_exact(1, 7) == pytest.approx(0.0703, abs=1e-4)  # 2 (1 + 8) / 2^8
    assert mcnemar_exact(0, 6) == pytest.approx(2 / 64)
    assert mcnemar_exact(5, 5) == 1.0
    assert mcnemar_exact(0, 0) == 1.0


@pytest.mark.parametrize(("discordant", "n"), [(0.1, 500), (0.3, 200), (0.5, 300)])
def test_the_minimum_detectable_difference_is_shown_with_the_power_promised(
    discordant: float, n: int
) -> None:
    found = minimum_detectable(discordant, n)
    share = (discordant + found) / 2 / discordant
    power = 0.0
    for pairs in range(n + 1):
        weight = float(binom.pmf(pairs, n, discordant))
        if weight > 1e-12:
            bound = math.sqrt(3.841459 * pairs)
            least = math.floor((pairs + bound) / 2) + 1
            power += weight * float(binom.sf(least - 1, pairs, share))
    assert power == pytest.approx(0.8, abs=0.03)


@given(st.floats(0, 1), st.integers(1, 5000))
def test_the_minimum_detectable_difference_is_possible(discordant: float, n: int) -> None:
    found = minimum_detectable(discordant, n)
    assert 0 < found <= 1
    assert minimum_detectable(discordant, n + 100) <= found + 1e-9


def test_connor_sample_size_is_inverted() -> None:
    # n d^2 = (1.96 sqrt(psi) + 0.8416 sqrt(psi - d^2))^2 with psi = 0.4, d = 0.2 gives 76.4.
    assert minimum_detectable(0.4, 76) == pytest.approx(0.2, abs=0.002)


def test_bootstrap_is_repeatable_and_never_certain() -> None:
    scores = [0.25, 0.5, 1.0, 1.0, 0.75, 0.0, 1.0, 1.0]
    found = bootstrap_mean(scores, seed=3)
    assert found == bootstrap_mean(scores, seed=3)
    assert found.value == 0.6875
    assert found.low < found.value < found.high
    alike = bootstrap_mean([1.0] * 20)
    assert alike.value == 1.0
    assert alike.low == pytest.approx(wilson(20, 20).low)


def test_where_all_scores_are_alike_the_interval_of_a_yes_or_no_variable_holds_them() -> None:
    found = bootstrap_mean([0.5] * 9)
    assert (found.value, found.low, found.high) == (0.5, wilson(4, 9).low, wilson(5, 9).high)


def test_bootstrap_of_yes_and_no_has_the_quantiles_of_the_binomial_distribution() -> None:
    found = bootstrap_mean([1.0] * 20 + [0.0] * 30, resamples=100_000)
    assert (found.low * 50, found.high * 50) == pytest.approx(binom.ppf([0.025, 0.975], 50, 0.4))


def test_bootstrap_is_that_of_resampling_one_by_one() -> None:
    scores = np.random.default_rng(1).random(700)
    random = np.random.default_rng(5)
    means = [scores[random.integers(0, 700, 700)].mean() for _ in range(2000)]
    found = bootstrap_mean(scores.tolist(), seed=5)
    assert (found.low, found.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=1e-12)


def test_paired_bootstrap_has_the_quantiles_of_the_exact_distribution() -> None:
    first, second, n = 2, 8, 21
    chance = {
        difference: sum(
            multinomial.pmf([a, a - difference, n - 2 * a + difference], n, [2 / 21, 8 / 21, 11 / 21])
            for a in range(max(0, difference), (n + difference) // 2 + 1)
        )
        for difference in range(-n, n + 1)
    }
    below = np.cumsum(list(chance.values()))
    exact = [int(np.searchsorted(below, share)) - n for share in (0.025, 0.975)]
    found = paired_bootstrap(first, second, n, resamples=100_000)
    assert [found.low * n, found.high * n] == pytest.approx(exact)
    assert found.value == pytest.approx(-6 / 21)


@pytest.mark.parametrize("counts", [(0, 0, 20), (20, 0, 20), (0, 1, 1)])
def test_paired_bootstrap_is_never_certain(counts: tuple[int, int, int]) -> None:
    assert paired_bootstrap(*counts) == paired_interval(*counts)


def test_auroc_published_value() -> None:
    # Ratings of 58 normal and 51 abnormal images, from 1 to 5: Hanley and McNeil, Radiology 143 (1982) 29-36.
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    ratings = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0] * 2, [*normal, *abnormal])
    found = auroc(ratings, np.arange(109) >= 58)
    assert found == pytest.approx(0.893, abs=5e-4)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40))
def test_auroc_counts_pairs(cases: list[tuple[int, bool]]) -> None:
    above = [score for score, right in cases if right]
    below = [score for score, right in cases if not right]
    if not above or not below:
        return
    won = sum((a > b) + (a == b) / 2 for a in above for b in below)
    found = auroc(np.array([score for score, _ in cases], float), np.array([right for _, right in cases]))
    assert found == pytest.approx(won / len(above) / len(below), abs=1e-12)


def test_auroc_of_answers_without_a_probability() -> None:
    assert auroc(np.array([-np.inf, -1.0, -2.0]), np.array([False, True, False])) == 1.0


def test_compare_counts_what_only_one_got_right() -> None:
    found = compare([True, True, True, False, False], [True, False, False, True, False])
    assert (found.n, found.first_only, found.second_only) == (5, 2, 1)
    assert found.difference.value == pytest.approx(0.2)
    assert found.p_value == 1.0
    with pytest.raises(ValueError, match="same cases"):
        compare([True], [])


def test_quantiles_interpolate() -> None:
    assert quantiles([10.0, 20.0, 30.0], (0.5, 0.95)) == [20.0, pytest.approx(29.0)]

"""What ranks answers is fitted on other cases than those that prove, and does no harm without knowledge."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_dag.core.ranking import KEY, Ranking
from distil_dag.stages.evaluating.ranking import divided, fitted_ranking
from distil_dag.stages.statistics import auroc


def answers(count: int, worth: float, seed: int = 0) -> tuple[list[float], list[bool], list[bool]]:
    """Probabilities that say something, and a draft model that agrees with right answers more often."""
    draw = np.random.default_rng(seed)
    logs = -draw.exponential(0.5, count)
    right = draw.random(count) < np.exp(logs)
    drafted = draw.random(count) < np.where(right, 0.5 + worth / 2, 0.5 - worth / 2)
    return logs.tolist(), drafted.tolist(), right.tolist()


def test_agreement_that_tells_right_from_wrong_ranks_better() -> None:
    ranking = fitted_ranking(*answers(40, 0.9))
    logs, drafted, right = answers(2000, 0.9, seed=1)
    ranked = [ranking.score(log, same) for log, same in zip(logs, drafted, strict=True)]
    assert ranking.cases == 40
    assert 0.2 < ranking.doubt < 5
    assert auroc(np.array(ranked), np.array(right)) > auroc(np.array(logs), np.array(right)) + 0.05


def test_agreement_that_says_nothing_is_hardly_heard() -> None:
    found = [fitted_ranking(*answers(60, 0.0, seed)).doubt for seed in range(20)]
    logs, drafted, right = answers(2000, 0.0, seed=99)
    ranking = Ranking(doubt=float(np.median(found)), cases=60)
    ranked = [ranking.score(log, same) for log, same in zip(logs, drafted, strict=True)]
    assert auroc(np.array(ranked), np.array(right)) > auroc(np.array(logs), np.array(right)) - 0.02


@pytest.mark.parametrize(
    ("logs", "drafted", "right"),
    [
        ([], [], []),
        ([-1.0] * 30, [True] * 15 + [False] * 15, [True] * 30),
        ([-1.0] * 30, [True] * 15 + [False] * 15, [False] * 30),
        ([-n / 10 for n in range(30)], [True] * 30, [n < 20 for n in range(30)]),
        ([-n / 10 for n in range(30)], [False] * 30, [n < 20 for n in range(30)]),
        ([-n / 10 for n in range(30)], [n >= 20 for n in range(30)], [n < 20 for n in range(30)]),
    ],
)
def test_where_nothing_can_be_told_the_probability_ranks_alone(
    logs: list[float], drafted: list[bool], right: list[bool]
) -> None:
    assert fitted_ranking(logs, drafted, right).doubt == 0


@pytest.mark.parametrize(
    ("cases", "fits"), [(0, 0), (38, 0), (39, 20), (64, 32), (100, 50), (240, 60), (250, 50)]
)
def test_what_fits_never_proves(cases: int, fits: int) -> None:
    fitted, proving = divided(range(cases))
    assert len(fitted) == fits
    assert sorted([*fitted, *proving]) == list(range(cases))


@given(st.floats(-50, 0), st.booleans(), st.floats(0, 5))
def test_a_doubt_never_makes_an_answer_surer(logprob: float, drafted: bool, doubt: float) -> None:
    score = Ranking(doubt=doubt, cases=1).score(logprob, drafted)
    assert score <= logprob
    assert score == logprob or not drafted


def test_a_file_carries_it() -> None:
    ranking = Ranking(doubt=1.5, cases=32)
    assert Ranking.from_key_values({"general.name": "a"} | ranking.key_values()) == ranking
    alone = Ranking.from_key_values({"general.name": "a"})
    assert alone.score(-1.0, drafted=False) == -1.0
    assert ranking.score(-math.inf, drafted=False) == -math.inf
    with pytest.raises(ValueError, match=f"{KEY} is damaged"):
        Ranking.from_key_values({KEY: json.dumps({"doubt": -1, "cases": 1})})

"""Fits what ranks a student's answers, on other cases than those that prove how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from distil_dag.core.ranking import Ranking

ItemType = TypeVar("ItemType")

# More cases hardly move one number, and those that fit it prove nothing.
_MOST = 60
# Fewer say nothing of it.
_FEWEST = 20
# A factor of e^5 puts every answer that the draft model does not give behind those that it gives.
_LARGEST = 5.0


def divided(cases: Sequence[ItemType]) -> tuple[list[ItemType], list[ItemType]]:
    """The cases that a ranking is fitted on, and those that are left to prove.

    Args:
        cases: in an order that says nothing of them.

    Returns:
        Every second one at most, 60 of them at most; none where that would be fewer than 20.
    """
    step = max(2, math.ceil(len(cases) / _MOST))
    fitted = list(cases[::step])
    if len(fitted) < _FEWEST:
        return [], list(cases)
    return fitted, [case for place, case in enumerate(cases) if place % step]


def fitted_ranking(logprobs: Sequence[float], drafted: Sequence[bool], right: Sequence[bool]) -> Ranking:
    """Find how much less sure an answer is that the draft model does not give.

    By logistic regression with a ridge penalty on both standardised slopes, so that a few cases don't settle
    it. What ranks is their ratio.

    Args:
        logprobs: natural logs of the answers' probabilities, finite.
        drafted: whether the draft model gives the same answer.
        right: whether each answer is right.

    Returns:
        The ranking; that by the probability alone where nothing can be told: without cases, where all answers
        are right or all wrong, where the draft model always agrees or never, or where it makes answers worse.
    """
    hits, agree = np.array(right, dtype=bool), np.array(drafted, dtype=float)
    alone = Ranking(doubt=0.0, cases=len(hits))
    if not len(hits) or hits.all() or not hits.any() or agree.all() or not agree.any():
        return alone
    from sklearn.linear_model import LogisticRegression

    scores = np.array(logprobs, dtype=float)
    spread = float(scores.std())
    if spread < 1e-9:
        return alone
    model = LogisticRegression(C=1.0, max_iter=1000).fit(np.column_stack([scores / spread, agree]), hits)
    slope, gain = float(model.coef_[0, 0]) / spread, float(model.coef_[0, 1])
    if gain <= 0:
        return alone
    doubt = min(_LARGEST, gain / slope) if slope > 0 else _LARGEST
    # Further digits depend on the order in which a machine adds up.
    return Ranking(doubt=round(doubt, 3), cases=len(hits))

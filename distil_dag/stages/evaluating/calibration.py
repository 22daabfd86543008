"""Calibration of a student's probabilities, and the threshold for a wanted precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from distil_dag.core.confidence import Confidence


def calibrated(scores: Sequence[float], right: Sequence[bool], target_precision: float) -> Confidence:
    """Calibrate scores on answers whose correctness is known.

    The threshold keeps as many as it can of the answers with the highest scores such that the share of
    right ones among them is the target at least.

    Args:
        scores: what ranks each answer.
        right: whether each answer is right.
        target_precision: the wanted share of right answers, between 0 and 1.

    Raises:
        ValueError: without answers, or for unequal lengths.
    """
    if len(scores) != len(right) or not right:
        raise ValueError(f"need a score for each answer, one at least: {len(scores)}, {len(right)}")
    ranks, hits = np.array(scores, dtype=float), np.array(right, dtype=bool)
    slope, intercept = _platt(ranks, hits)
    threshold = _threshold(ranks, hits, target_precision)
    kept = hits[ranks >= threshold] if threshold is not None else hits[:0]
    return Confidence(
        slope=slope,
        intercept=intercept,
        threshold=threshold,
        target_precision=target_precision,
        cases=len(hits),
        right=int(hits.sum()),
        kept=len(kept),
        kept_right=int(kept.sum()),
    )


def _platt(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of the log odds of being right.

    Source: J. C. Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin
    Classifiers (1999) 61-74. Its targets keep off 0 and 1, so the fit exists for separable answers too.
    Never a falling slope: that less probable answers are right more often is chance, and the best fit that
    does not fall is then the share of right ones.
    """
    from sklearn.linear_model import LogisticRegression

    hits = right.sum()
    targets = np.where(right, (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2))
    # Scaled, so that the fit is well conditioned whatever the logs are.
    mean, spread = scores.mean(), max(float(scores.std()), 1e-9)
    inputs = np.tile((scores - mean) / spread, 2)[:, None]
    # A target between 0 and 1 is a row of each class, weighed by its share.
    classes = np.repeat([True, False], len(scores))
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    model.fit(inputs, classes, sample_weight=np.concatenate([targets, 1 - targets]))
    slope = float(model.coef_[0, 0] / spread)
    if slope <= 0:
        share = targets.mean()
        return 0.0, float(np.log(share / (1 - share)))
    return slope, float(model.intercept_[0] - slope * mean)


def _threshold(scores: NDArray[np.float64], right: NDArray[np.bool_], target: float) -> float | None:
    order = np.argsort(-scores, kind="stable")
    shares = right[order].cumsum() / np.arange(1, len(order) + 1)
    # Equal scores are kept together or not at all.
    last = np.append(scores[order][1:] != scores[order][:-1], True)
    good = np.flatnonzero(last & (shares >= target))
    return float(scores[order][good[-1]]) if good.size else None

"""From evidence to a score: calls of the log against corruptions, without labels.

The log's calls are a mixture of right and wrong ones, the corruptions are wrong. A classifier of the
two orders calls by how likely they are right although no call is known to be (Elkan and Noto
2008); refitted with each call weighted by what it found, it parts them further. The share of
wrong calls in the log follows from how many of them look like corruptions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distil_dag.stages.nlu.cross_fitting import FOLDS
from distil_dag.stages.statistics import Floats

_ROUNDS = 3
# Of the corruptions, this share looks worse than the threshold by which wrong calls are counted: the
# best-looking tenth would drag it into the right calls.
_CAUGHT = 0.9
_LARGEST_WRONG = 0.9
_BENDS = (0.1, 0.25, 0.5, 0.75, 0.9)
_STRENGTH = 0.3
_LEAST_WEIGHT = 0.02
# The odds of the log are never trusted less than this part of what they claim.
_LEAST_SLOPE = 0.3


@dataclass(frozen=True)
class Calibration:
    """One classifier a fold, each of which has not seen the requests of its fold."""

    models: tuple[_Model, ...]
    wrong: float

    def odds(self, features: Floats, folds: NDArray[np.int64]) -> Floats:
        """Natural-log odds that a call is a good call of the log rather than a corruption."""
        found = np.zeros(len(features))
        for fold, model in enumerate(self.models):
            rows = folds == fold
            if rows.any():
                found[rows] = model.odds(features[rows])
        return np.clip(found, -30.0, 30.0)

    def contributions(self, features: Floats, fold: int) -> Floats:
        """For each row what each feature adds to its log odds."""
        return self.models[fold].terms(features)


def calibrate(
    logged: Floats, corruptions: Floats, logged_folds: NDArray[np.int64], corruption_folds: NDArray[np.int64]
) -> tuple[Calibration, Floats]:
    """The calibration, and for each logged call the probability that it is right.

    Rows are calls, columns features. Both sides need at least two rows.
    """
    features = np.vstack([logged, corruptions])
    folds = np.concatenate([logged_folds, corruption_folds])
    count = len(logged)
    trust = np.ones(count)
    for attempt in range(_ROUNDS):
        models = _fit(features, trust, count, folds)
        odds = Calibration(models, 0.0).odds(features, folds)
        threshold = np.quantile(odds[count:], _CAUGHT)
        worse = (odds[:count] <= threshold).mean()
        wrong = float(np.clip(worse / _CAUGHT, 1 / (count + 1), _LARGEST_WRONG))
        ratio = np.exp(odds[:count])
        # First the classifier saw the mixture, so the ratio is to the mixture's density.
        right = (
            np.clip(1 - wrong / ratio, 0, 1)
            if attempt == 0
            else (1 - wrong) * ratio / ((1 - wrong) * ratio + wrong)
        )
        trust = np.clip(right, _LEAST_WEIGHT, 1.0)
    return Calibration(models, wrong), right


@dataclass(frozen=True)
class Addition:
    """What further evidence adds to log odds that stand already; nothing where it is usual."""

    weights: Floats
    usual: Floats

    def odds(self, evidence: Floats) -> Floats:
        """Natural-log odds to add, a number for each row."""
        found: Floats = (evidence - self.usual) @ self.weights
        return found


def addition(odds: Floats, evidence: Floats, logged: NDArray[np.bool_], trust: Floats) -> Addition:
    """How much the evidence (columns) tells logged calls from corruptions beyond what the odds tell.

    The odds keep their scale, so evidence that says nothing changes nothing.
    """
    from sklearn.linear_model import LogisticRegression

    table = np.column_stack([odds, evidence])
    mean, scale = table.mean(axis=0), np.maximum(table.std(axis=0), 1e-9)
    weights = np.where(logged, trust, 1.0)
    for side in (logged, ~logged):
        weights[side] *= len(table) / 2 / weights[side].sum()
    linear = LogisticRegression(C=_STRENGTH).fit((table - mean) / scale, logged, sample_weight=weights)
    slopes = linear.coef_[0] / scale
    return Addition(slopes[1:] / max(float(slopes[0]), _LEAST_SLOPE), mean[1:])


def _fit(features: Floats, trust: Floats, count: int, folds: NDArray[np.int64]) -> tuple[_Model, ...]:
    target = np.arange(len(features)) < count
    models = []
    for fold in range(FOLDS):
        learn = folds != fold
        if not 1 < target[learn].sum() < learn.sum() - 1:
            learn = np.ones(len(features), dtype=bool)  # too small a log to leave anything out
        # Both sides weigh the same, whatever their numbers.
        weights = np.where(target, np.concatenate([trust, np.ones(len(features) - count)]), 1.0)
        weights[target] /= weights[target & learn].sum()
        weights[~target] /= weights[~target & learn].sum()
        models.append(_Model(features[learn], target[learn], weights[learn] * learn.sum() / 2))
    return tuple(models)


class _Model:
    """Logistic regression on each feature and its bends at quantiles: a sum of piecewise linear curves.

    The bends are hinges, max(0, x - knot), so the penalty draws each slope to the one before it. With the
    local basis of scikit-learn's SplineTransformer it finds fewer wrong calls in small logs.
    """

    def __init__(self, features: Floats, target: NDArray[np.bool_], weights: Floats) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._knots: list[tuple[int, float]] = []
        for column in range(features.shape[1]):
            # One knot below all values makes the feature itself the first curve.
            inner = np.quantile(features[:, column], _BENDS)
            low, high = features[:, column].min(), features[:, column].max()
            self._knots += [(column, float(k)) for k in sorted({low, *inner}) if low <= k < high]
        self._line = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=500))
        self._line.fit(self._bent(features), target, logisticregression__sample_weight=weights)

    def _bent(self, features: Floats) -> Floats:
        columns = [np.maximum(0.0, features[:, column] - knot) for column, knot in self._knots]
        return np.column_stack([*columns, np.zeros(len(features))])

    def terms(self, features: Floats) -> Floats:
        """For each row what each feature adds to the log odds."""
        parts = self._line[:-1].transform(self._bent(features)) * self._line[-1].coef_[0]
        found = np.zeros_like(features)
        for n, (column, _) in enumerate(self._knots):
            found[:, column] += parts[:, n]
        return found

    def odds(self, features: Floats) -> Floats:
        """Natural-log odds of the target."""
        found: Floats = self.terms(features).sum(axis=1) + self._line[-1].intercept_[0]
        return found

"""Logistic regression over named features: fitted once, asked row by row, carried as small numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from distil_dag.stages.statistics import Floats

Chances = dict[str, float]
"""Label -> probability."""

# A carried weight is a whole number of fifths, which hardly ever changes the likeliest label.
_PARTS = 5


class LinearClassifier:
    """Says the label of a row by the names of its features, in microseconds and without scikit-learn.

    Args:
        labels: what rows can be.
        columns: feature -> its row in `weights`.
        weights: a row for each feature and a column for each label.
        bias: a number for each label.
    """

    def __init__(self, labels: Sequence[str], columns: dict[str, int], weights: Floats, bias: Floats) -> None:
        self.labels = list(labels)
        self._columns, self._weights, self._bias = columns, weights, bias

    @classmethod
    def fit(cls, examples: Iterable[tuple[Mapping[str, float], str]], strength: float, seen: int = 1) -> Self:
        """Learn from examples. Of a single label, or without features, only labels' frequencies are learned.

        Args:
            examples: feature -> value, and the label.
            strength: the inverse of the regularisation, scikit-learn's `C`.
            seen: features of fewer examples are left out.
        """
        from sklearn.feature_extraction import DictVectorizer

        labels: list[str] = []

        def rows() -> Iterator[Mapping[str, float]]:
            for features, label in examples:
                labels.append(label)
                yield features
            if not labels:
                yield {}

        vectorizer = DictVectorizer(dtype=float)  # one number a value, not an object each
        table = vectorizer.fit_transform(rows())
        names, counts = vectorizer.feature_names_, Counter(labels)
        kept = np.flatnonzero(table.getnnz(axis=0) >= seen).tolist()
        if len(counts) < 2 or not kept:
            common = sorted(counts, key=lambda label: (-counts[label], label))
            return cls(common, {}, np.zeros((0, len(common))), np.log([counts[label] for label in common]))
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=strength, max_iter=400, random_state=0)
        model.fit(table[:, kept], labels)
        weights, bias = model.coef_.T, model.intercept_
        if len(counts) == 2:  # scikit-learn keeps one column for two classes
            weights = np.hstack([np.zeros_like(weights), weights])
            bias = np.array([0.0, float(bias[0])])
        columns = {names[column]: row for row, column in enumerate(kept)}
        return cls([str(label) for label in model.classes_], columns, weights, bias)

    def chances(self, features: Iterable[str]) -> Chances:
        """The probability of each label for a row with these features; empty where no label was learned."""
        if not self.labels:
            return {}
        rows = [self._columns[name] for name in dict.fromkeys(features) if name in self._columns]
        logits = self._bias + self._weights[rows].sum(axis=0)
        odds = np.exp(logits - logits.max())
        return dict(zip(self.labels, (odds / odds.sum()).tolist(), strict=True))

    def state(self) -> list[Any]:
        """The labels, and feature -> place of a label -> weight, as JSON has them; the bias is of no name."""
        rows = {"": self._bias} | {name: self._weights[row] for name, row in self._columns.items()}
        whole = {name: np.rint(_PARTS * row).astype(int).tolist() for name, row in sorted(rows.items())}
        kept = {name: {place: w for place, w in enumerate(row) if w} for name, row in whole.items()}
        return [self.labels, {name: row for name, row in kept.items() if row}]

    @classmethod
    def from_state(cls, labels: list[str], rows: dict[str, dict[str, int]]) -> Self:
        """What `state` gave, read back from JSON."""
        names = [name for name in rows if name]
        table = np.zeros((len(names) + 1, len(labels)))
        for row, name in enumerate([*names, ""]):
            for place, weight in rows.get(name, {}).items():
                table[row, int(place)] = int(weight) / _PARTS
        return cls(labels, {name: row for row, name in enumerate(names)}, table[:-1], table[-1])

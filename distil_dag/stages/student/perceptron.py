"""A linear classifier over named features that is small enough to travel in a model file."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Self

Weights = dict[str, dict[int, int]]

_EPOCHS = 8
# Features of fewer examples are left out: they say little, and may be one person's words.
_SEEN = 3
_SCALE = 100


class Perceptron:
    """An averaged perceptron (Collins 2002): `weights` holds feature -> place of the label -> weight."""

    def __init__(self, labels: Sequence[str], weights: Weights) -> None:
        self.labels, self.weights = list(labels), weights

    @classmethod
    def fit(cls, examples: Sequence[tuple[Sequence[str], str]]) -> Self:
        """Learn from (features, label) pairs; equal pairs in equal order give equal weights."""
        counts = Counter(label for _, label in examples)
        labels = sorted(counts, key=lambda label: (-counts[label], label))
        places = {label: place for place, label in enumerate(labels)}
        seen = Counter(name for names, _ in examples for name in set(names))
        rows = [
            ([n for n in dict.fromkeys(names) if seen[n] >= _SEEN], places[label])
            for names, label in examples
        ]
        now: defaultdict[str, Counter[int]] = defaultdict(Counter)
        # Weights times the step of their change: the average falls out at the end.
        late: defaultdict[str, Counter[int]] = defaultdict(Counter)
        order, step = random.Random(0), 1
        for _ in range(_EPOCHS):
            order.shuffle(rows)
            for names, right in rows:
                said = _best(names, now, len(labels))
                if said != right:
                    for name in names:
                        for place, change in ((right, 1), (said, -1)):
                            now[name][place] += change
                            late[name][place] += change * step
                step += 1
        averaged = {
            name: {p: round(_SCALE * (w - late[name][p] / step)) for p, w in row.items()}
            for name, row in now.items()
        }
        kept = {name: {p: w for p, w in sorted(row.items()) if w} for name, row in sorted(averaged.items())}
        return cls(labels, {name: row for name, row in kept.items() if row})

    def ranked(self, features: Iterable[str]) -> list[str]:
        """All labels, the likeliest first."""
        scores = [0] * len(self.labels)
        for name in dict.fromkeys(features):
            for place, weight in self.weights.get(name, {}).items():
                scores[place] += weight
        return [self.labels[place] for place in sorted(range(len(scores)), key=lambda place: -scores[place])]


def _best(names: Iterable[str], weights: defaultdict[str, Counter[int]], labels: int) -> int:
    scores = [0] * labels
    for name in names:
        for place, weight in weights[name].items():
            scores[place] += weight
    return max(range(labels), key=scores.__getitem__)

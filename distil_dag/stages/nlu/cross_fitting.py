"""Intents and slots of a log whose calls may be wrong: each request is read by what the others teach.

The log is cut into folds, and the classifiers are fitted once for each, without its requests. So they say
what the rest of the log makes of a request, not what its own trace claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distil_dag.core.tool_call import Calls
from distil_dag.stages.nlu.slot_features import Features, in_context
from distil_dag.stages.nlu.spans import OUTSIDE, Words, slot_tags
from distil_dag.stages.statistics import Floats

Integers = NDArray[np.int64]

FOLDS = 5
# A probability is never taken to be smaller: an unseen thing is unlikely, not impossible.
FLOOR = 1e-4
# Words to learn from; more of them add time and little else.
_WORDS = 60_000
# Words whose features are held in memory at a time, beside those that are learned from.
_PART = 5000
_STRENGTH, _TOLERANCE = 2.0, 1e-3


def cross_fitted_slots(
    requests: Sequence[Words], calls: Sequence[Calls], weights: Floats, folds: Integers
) -> tuple[dict[str, int], list[Floats]]:
    """Which words are whose argument, whatever the tool.

    Args:
        requests: The words of each trace's request.
        calls: The calls of each trace.
        weights: How far each trace's calls are trusted.
        folds: The fold of each trace.

    Returns:
        Argument -> column, and for each request a table: the probability of each argument (columns) for each
        word (rows), at least :data:`FLOOR`.
    """
    from sklearn.feature_extraction import DictVectorizer

    tags = [slot_tags(words, found)[0] for words, found in zip(requests, calls, strict=True)]
    columns = {name: n for n, name in enumerate(sorted({OUTSIDE, *(t for row in tags for t in row)}))}
    sizes = np.array([len(words.words) for words in requests], dtype=np.int64)
    if len(columns) == 1 or not sizes.sum():
        return columns, [np.ones((size, len(columns))) for size in sizes]
    ends = np.cumsum(sizes)
    taught = int(np.searchsorted(ends, _WORDS, side="right")) + 1
    targets = np.array([columns[t] for row in tags[:taught] for t in row])
    vectorizer = DictVectorizer(dtype=float)  # one number a value, not an object each
    table = vectorizer.fit_transform(_rows(requests[:taught]))
    own = np.repeat(np.arange(len(requests)), sizes)
    others = _in_parts(vectorizer, _rows(requests[taught:]))
    learn = np.arange(len(targets))
    found = _cross_fit(table, others, learn, targets, weights[own], folds[own], len(columns), steps=60)
    return columns, np.split(np.maximum(found, FLOOR), ends[:-1])


def cross_fitted_intents(
    texts: Sequence[str], intents: Sequence[str], weights: Floats, folds: Integers, learn: Integers
) -> tuple[dict[str, int], Floats]:
    """The intent of each text, by which words and pairs of words are there.

    Where similarity averages over all words, this learns the one that decides.

    Args:
        texts: Words with spaces between them.
        intents: Of each text.
        weights: How far each intent is trusted.
        folds: The fold of each text.
        learn: The places of those that are learned from.

    Returns:
        Intent -> column, and a table: the probability of each intent (columns) for each text (rows),
        0 for what the other folds do not show.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    word = r"\S+"
    table = CountVectorizer(token_pattern=word, ngram_range=(1, 2), binary=True).fit_transform(texts)
    columns = {name: n for n, name in enumerate(sorted(set(intents)))}
    targets = np.array([columns[intent] for intent in intents])
    return columns, _cross_fit(table, [], learn, targets, weights, folds, len(columns), steps=100)


def _cross_fit(
    table: Any,
    others: Iterable[Any],
    learn: Integers,
    targets: Integers,
    weights: Floats,
    folds: Integers,
    count: int,
    steps: int,
) -> Floats:
    """The probability of each of `count` targets for each row of `table`, then of `others`, by other folds.

    `learn` are the rows of `table` that are learned from, `steps` how long at most.
    """
    from sklearn.linear_model import LogisticRegression

    models: dict[int, Any] = {}
    for fold in sorted(set(folds.tolist())):
        rows = learn[folds[learn] != fold]
        if len(set(targets[rows].tolist())) > 1:
            model = LogisticRegression(C=_STRENGTH, max_iter=steps, tol=_TOLERANCE)
            models[fold] = model.fit(table[rows], targets[rows], sample_weight=weights[rows])
    found = np.zeros((len(folds), count))
    done = 0
    for part in chain([table], others):
        for fold, model in models.items():
            held = np.flatnonzero(folds[done : done + part.shape[0]] == fold)
            if len(held):
                found[np.ix_(done + held, model.classes_)] = model.predict_proba(part[held])
        done += part.shape[0]
    return found


def _rows(requests: Iterable[Words]) -> Iterator[Features]:
    """The features of each word of the requests, one word after the other."""
    return (in_context(words.words, n) for words in requests for n in range(len(words.words)))


def _in_parts(vectorizer: Any, rows: Iterator[Features]) -> Iterator[Any]:
    """A table of the features of so many words at a time."""
    while part := list(islice(rows, _PART)):
        yield vectorizer.transform(part)

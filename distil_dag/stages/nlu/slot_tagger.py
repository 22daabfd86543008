"""Which words of a request are whose argument: learned from a log whose calls may be wrong.

A logistic regression over words in their context. Its folds leave the request itself out, so it
says what the rest of the log makes of these words, not what this trace's own call claims.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.nlu.spans import locate, tokens

Floats = NDArray[np.float64]

OUTSIDE = ""
# A probability is never taken to be smaller: an unseen thing is unlikely, not impossible.
FLOOR = 1e-4
FOLDS = 5
# Words to learn from; more of them add time and little else.
_WORDS = 60_000
# Words on either side that say what the talk is of: all others in a request of sixty. If a word knew all of a
# long one, features would grow with the square of its length.
_AROUND = 59
# Words whose features are held in memory at a time, beside those that are learned from.
_PART = 5000
# Texts and values beyond these many characters are no spoken request; what is cut off is not read.
_LONGEST_TEXT, _LONGEST_VALUE = 4000, 400
# A word weighs more than the request it stands in, which only says what the talk is of.
_NEAR, _SHAPE, _FAR = 1.0, 0.5, 0.25


class Words:
    """The words of a request, and where values stand in them."""

    def __init__(self, text: str) -> None:
        self.text = text = text[:_LONGEST_TEXT]
        found = tokens(text)
        self.words = [word for word, _, _ in found]
        self._starts = [start for _, start, _ in found]
        self._ends = [end for _, _, end in found]

    def places(self, value: Any) -> list[list[int]]:
        """The positions of the words at each place where the text holds the value."""
        if len(str(value)) > _LONGEST_VALUE:
            return []
        return [
            list(range(bisect_right(self._ends, start), bisect_left(self._starts, end)))
            for start, end in locate(value, self.text)
        ]


def leaves(value: Any) -> list[Any]:
    """The plain values in a value: itself, or those that a list or an object holds."""
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


def tag(words: Words, calls: Iterable[ToolCall]) -> tuple[list[str], list[tuple[str, Any]]]:
    """The argument that each word belongs to under these calls, and the values not in the words.

    Long values choose their place first; a word has one argument.
    """
    tags = [OUTSIDE] * len(words.words)
    absent: list[tuple[str, Any]] = []
    pairs = [
        (name, leaf) for call in calls for name, value in call.arguments.items() for leaf in leaves(value)
    ]
    for name, value in sorted(pairs, key=lambda pair: -len(str(pair[1]))):
        free = [place for place in words.places(value) if all(tags[n] == OUTSIDE for n in place)]
        if not free:
            absent.append((name, value))
        for n in free[0] if free else ():
            tags[n] = name
    return tags, absent


def tag_probabilities(
    requests: Sequence[Words],
    calls: Sequence[tuple[ToolCall, ...]],
    weights: Floats,
    folds: NDArray[np.int64],
) -> tuple[dict[str, int], list[Floats]]:
    """Tag -> column, and for each request the probability of each tag (columns) of each word (rows).

    `weights` says how far each trace's calls are trusted; requests of one fold are tagged by what
    the others teach.
    """
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    tags = [tag(words, found)[0] for words, found in zip(requests, calls, strict=True)]
    columns = {name: n for n, name in enumerate(sorted({OUTSIDE, *(t for row in tags for t in row)}))}
    sizes = np.array([len(words.words) for words in requests], dtype=np.int64)
    if len(columns) == 1 or not sizes.sum():
        return columns, [np.ones((size, len(columns))) for size in sizes]
    ends = np.cumsum(sizes)
    taught = int(np.searchsorted(ends, _WORDS, side="right")) + 1
    targets = np.array([columns[t] for row in tags[:taught] for t in row])
    # One number a value, not an object each.
    vectorizer = DictVectorizer(dtype=float)
    table = vectorizer.fit_transform(_rows(requests[:taught]))
    own = np.repeat(np.arange(len(requests)), sizes)
    of_fold = folds[own]
    models = {}
    for fold in sorted(set(folds.tolist())):
        learn = np.flatnonzero(of_fold[: len(targets)] != fold)
        if len(set(targets[learn])) > 1:
            model = LogisticRegression(C=2.0, max_iter=60, tol=1e-3)
            models[fold] = model.fit(table[learn], targets[learn], sample_weight=weights[own[learn]])
    found = np.full((len(own), len(columns)), FLOOR)
    done = 0
    for part in chain([table], _in_parts(vectorizer, _rows(requests[taught:]))):
        for fold, model in models.items():
            held = np.flatnonzero(of_fold[done : done + part.shape[0]] == fold)
            if len(held):
                found[np.ix_(done + held, model.classes_)] = model.predict_proba(part[held])
        done += part.shape[0]
    return columns, np.split(np.maximum(found, FLOOR), ends[:-1])


def _in_parts(vectorizer: Any, rows: Iterator[dict[str, float]]) -> Iterator[Any]:
    """A table of the features of so many words at a time."""
    while part := list(islice(rows, _PART)):
        yield vectorizer.transform(part)


def _rows(requests: Iterable[Words]) -> Iterator[dict[str, float]]:
    """The features of each word of the requests, one word after the other."""
    return (_features(words.words, n) for words in requests for n in range(len(words.words)))


def _features(words: Sequence[str], n: int) -> dict[str, float]:
    def at(offset: int) -> str:
        return words[n + offset] if 0 <= n + offset < len(words) else "#"

    near = (
        f"w={at(0)}", f"l={at(-1)}", f"r={at(1)}", f"lw={at(-1)} {at(0)}", f"wr={at(0)} {at(1)}",
        f"lr={at(-1)} {at(1)}", f"ll={at(-2)}", f"rr={at(2)}",
    )  # fmt: skip
    shape = (f"end={at(0)[-3:]}", f"begin={at(0)[:3]}", f"digit={any(c.isdigit() for c in at(0))}")
    around = words[max(0, n - _AROUND) : n + _AROUND + 1]
    features = {f"c={word}": _FAR for word in around}
    features |= dict.fromkeys(shape, _SHAPE)
    return features | dict.fromkeys(near, _NEAR)

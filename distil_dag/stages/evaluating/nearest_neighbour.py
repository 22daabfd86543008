"""The lookup baseline: answer with what production did for the nearest request of the log.

A trained model that does not beat this has learned nothing that a search would not give. Which similarity is
used moves its score by many points, so there is one, fixed in advance: cosine of word tf-idf vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from distil_dag.core.case import Case
from distil_dag.core.normalise import Normaliser, words
from distil_dag.core.tool_call import ToolCall, calls_key

SIMILARITY = "cosine of word tf-idf vectors"


def nearest_calls(
    cases: Sequence[Case], log: Sequence[Case], normaliser: Normaliser
) -> list[tuple[ToolCall, ...]]:
    """The calls logged for the nearest request of a log, each with the words that it depends on.

    Of equally near ones, those in the most similar context count. Of these, the calls logged most often are
    taken, then the first in the log. So a request without a known word gets the most frequent calls of the
    log. Memory grows with the log, not with requests times log.

    Args:
        cases: the requests to answer.
        log: the logged cases.
        normaliser: tells what a request depends on.

    Returns:
        The calls for each request.

    Raises:
        ValueError: for an empty log.
    """
    if not log:
        raise ValueError("a lookup needs at least one trace")
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not cases:
        return []
    asked, logged = (["\n".join(normaliser.asked(case)) for case in rows] for rows in (cases, log))
    kinds = [calls_key(case.calls) for case in log]
    if not any(map(words, logged)):
        return [log[_most_frequent(range(len(log)), kinds)].calls for _ in cases]
    vectorizer = TfidfVectorizer(analyzer=words)
    known, sought = vectorizer.fit_transform(logged), vectorizer.transform(asked)

    def contexts(case: Case) -> set[str]:
        return set(normaliser.context.of(case.messages).splitlines())

    found = []
    for row in range(len(cases)):
        similarity = (known @ sought[row].T).toarray().ravel()
        nearest = np.flatnonzero(similarity >= similarity.max() - 1e-9).tolist()
        if here := contexts(cases[row]):
            likeness = [len(here & contexts(log[place])) for place in nearest]
            nearest = [
                place for place, shared in zip(nearest, likeness, strict=True) if shared == max(likeness)
            ]
        found.append(log[_most_frequent(nearest, kinds)].calls)
    return found


def _most_frequent(places: Sequence[int], kinds: Sequence[str]) -> int:
    votes = Counter(kinds[place] for place in places)
    return min(places, key=lambda place: (-votes[kinds[place]], place))

"""The lookup baseline: answer with what production did for the nearest request of the log.

A trained model that does not beat this has learned nothing that a search would not give. Which similarity is
used moves its score by many points, so there is one, fixed in advance: cosine of word tf-idf vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from distil_dag.core.case import Case
from distil_dag.core.normalise import words
from distil_dag.core.tool_call import ToolCall, calls_key

SIMILARITY = "cosine of word tf-idf vectors"


def nearest_calls(requests: Sequence[str], log: Sequence[Case]) -> list[tuple[ToolCall, ...]]:
    """The calls logged for the nearest request of a log.

    Of equally near ones, the calls logged most often are taken, then the first in the log. So a request
    without a known word gets the most frequent calls of the log. Memory grows with the log, not with requests
    times log.

    Args:
        requests: the requests to answer.
        log: the logged cases.

    Returns:
        The calls for each request.

    Raises:
        ValueError: for an empty log.
    """
    if not log:
        raise ValueError("a lookup needs at least one trace")
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not requests:
        return []
    kinds = [calls_key(case.calls) for case in log]
    if not any(words(case.request) for case in log):
        return [log[_most_frequent(range(len(log)), kinds)].calls for _ in requests]
    vectorizer = TfidfVectorizer(analyzer=words)
    known = vectorizer.fit_transform([case.request for case in log])
    asked = vectorizer.transform(list(requests))
    found = []
    for row in range(len(requests)):
        similarity = (known @ asked[row].T).toarray().ravel()
        nearest = np.flatnonzero(similarity >= similarity.max() - 1e-9)
        found.append(log[_most_frequent(nearest.tolist(), kinds)].calls)
    return found


def _most_frequent(places: Sequence[int], kinds: Sequence[str]) -> int:
    votes = Counter(kinds[place] for place in places)
    return min(places, key=lambda place: (-votes[kinds[place]], place))

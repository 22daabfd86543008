"""Rows that repeat a test request, and would make a student look better than it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from distil_dag.core.case import Case
from distil_dag.core.normalise import Normaliser
from distil_dag.core.tool_call import calls_key
from distil_dag.core.toolset import Toolset


class Leak(BaseModel):
    """One row and the test case that it repeats.

    Attributes:
        row: id of the row.
        row_request: its request.
        test: id of the test case.
        test_request: its request.
        how: by which rule the row repeats the case.
        similarity: of the two normalised requests, 0 to 1.
    """

    model_config = ConfigDict(frozen=True)

    row: str
    row_request: str
    test: str
    test_request: str
    how: Literal["same words", "similar words, same call"]
    similarity: float


def find_leaks(
    test: Sequence[Case], rows: Sequence[Case], toolset: Toolset, similarity: float, normaliser: Normaliser
) -> list[Leak]:
    """Find the rows that repeat a test case.

    A row repeats a test case when both have one key by the `normaliser`, whatever their calls are. It also
    does when both have the same calls and similar keys. Similar words with different calls ("turn it on",
    "turn it off") are what a test is for, and no leak.

    Args:
        test: the frozen test.
        rows: the rows that may repeat it.
        toolset: by whose canonical form calls are compared.
        similarity: the similarity (see :func:`nearest`) from which requests with the same calls are copies.
        normaliser: tells which requests are the same.

    Returns:
        One leak for each such row, those with the same words first.
    """
    leaks = find_copies(test, rows, normaliser)
    test_keys = {normaliser.identity(case) for case in test}
    cases_of: dict[str, list[Case]] = defaultdict(list)
    for case in test:
        cases_of[_label(case, toolset)].append(case)
    keys_of = {label: [normaliser.identity(case) for case in cases] for label, cases in cases_of.items()}
    for row in rows:
        key, label = normaliser.identity(row), _label(row, toolset)
        if label in keys_of and key not in test_keys:
            score, place = nearest(key, keys_of[label])
            if score >= similarity:
                leaks.append(_leak(row, cases_of[label][place], "similar words, same call", score))
    return leaks


def find_copies(test: Sequence[Case], rows: Sequence[Case], normaliser: Normaliser) -> list[Leak]:
    """The rows whose normalised request is one of the test, in their order."""
    by_key = {normaliser.identity(case): case for case in reversed(test)}
    pairs = ((row, by_key.get(normaliser.identity(row))) for row in rows)
    return [_leak(row, case, "same words", 1.0) for row, case in pairs if case]


def nearest(key: str, others: Sequence[str]) -> tuple[float, int]:
    """The most similar of several requests.

    The similarity is the larger of two character ratios: that of the keys as they stand, and that of the keys
    with their words sorted.

    Args:
        key: the normalised request (`request_key`).
        others: the normalised requests to compare it with.

    Returns:
        The largest similarity (0 to 1), and the place of the request that has it.

    Raises:
        ValueError: without others.
    """
    # Imported here: it takes a tenth of the time in which the code location loads.
    from rapidfuzz import fuzz, process

    scored = (
        process.extractOne(key, others, scorer=scorer) for scorer in (fuzz.ratio, fuzz.token_sort_ratio)
    )
    return max((score / 100, place) for _, score, place in scored)


def _label(case: Case, toolset: Toolset) -> str:
    return calls_key(map(toolset.canonical, case.calls))


def _leak(
    row: Case, case: Case, how: Literal["same words", "similar words, same call"], score: float
) -> Leak:
    return Leak(
        row=row.id, row_request=row.request, test=case.id, test_request=case.request, how=how,
        similarity=score,
    )  # fmt: skip

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
    """One row and the test case that it repeats."""

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
    """The rows that repeat a test case, those with the same words first.

    A row repeats a test case when both have one key (`normaliser`), whatever
    they answer, or when both give the same calls and their keys are at least `similarity` alike:
    the larger of the character ratios (0 to 1) as they stand and with their words sorted.
    Similar words with different calls ("turn it on", "turn it off") are what a test is for, and
    no leak.
    """
    leaks = find_copies(test, rows, normaliser)
    test_keys = {normaliser.key(case.request) for case in test}
    cases_of: dict[str, list[Case]] = defaultdict(list)
    for case in test:
        cases_of[_label(case, toolset)].append(case)
    keys_of = {label: [normaliser.key(case.request) for case in cases] for label, cases in cases_of.items()}
    for row in rows:
        key, label = normaliser.key(row.request), _label(row, toolset)
        if label in keys_of and key not in test_keys:
            score, place = nearest(key, keys_of[label])
            if score >= similarity:
                leaks.append(_leak(row, cases_of[label][place], "similar words, same call", score))
    return leaks


def find_copies(test: Sequence[Case], rows: Sequence[Case], normaliser: Normaliser) -> list[Leak]:
    """The rows whose normalised request is one of the test, in their order."""
    by_key = {normaliser.key(case.request): case for case in reversed(test)}
    pairs = ((row, by_key.get(normaliser.key(row.request))) for row in rows)
    return [_leak(row, case, "same words", 1.0) for row, case in pairs if case]


def nearest(key: str, others: Sequence[str]) -> tuple[float, int]:
    """The largest similarity (0 to 1) of a request's key to any of `others`, and the place of that one.

    The similarity is the larger of the character ratios of the two keys, as they stand and
    with their words sorted. ValueError when there are no others.
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

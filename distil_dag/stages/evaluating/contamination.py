"""How near the training rows come to the test, and whether the score rests on that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from distil_dag.core.case import Case
from distil_dag.core.leaks import find_copies, find_leaks, nearest
from distil_dag.core.normalise import Normaliser
from distil_dag.core.reports.evidence import LeakageReport, RowsNearTest, SimilarityBand
from distil_dag.core.toolset import Toolset
from distil_dag.stages.statistics import quantiles, wilson

# Ends of the bands of similarity; the last holds only the same words.
_ENDS = (0.0, 0.6, 0.7, 0.8, 0.9, 1.0)


def leakage(
    test: Sequence[Case],
    tables: Mapping[str, Sequence[Case]],
    trained_on: Collection[str],
    exact: Mapping[int, bool],
    toolset: Toolset,
    similarity: float,
    normaliser: Normaliser,
    confidence: float = 0.95,
) -> LeakageReport:
    """Copies of the test in each table, nearest similarities, and the student's score by similarity.

    Args:
        test: the frozen test.
        tables: rows by name of their table.
        trained_on: names of the tables that were in the training mix.
        exact: place of a test case -> whether the student is right; without cases that it did not answer.
        toolset: the tools.
        similarity: the leak gate's threshold (0 to 1).
        confidence: of intervals.
        normaliser: tells which requests are the same.
    """
    keys = [normaliser.identity(case) for case in test]
    reached = [0.0] * len(test)
    described = []
    for name, rows in tables.items():
        known = list(dict.fromkeys(normaliser.identity(row) for row in rows))
        near = [nearest(key, known)[0] if known else 0.0 for key in keys]
        if name in trained_on:
            reached = [max(pair) for pair in zip(reached, near, strict=True)]
        copies = len(find_copies(test, rows, normaliser))
        described.append(
            RowsNearTest(
                table=name,
                rows=len(rows),
                trained_on=name in trained_on,
                same_words=copies,
                same_call=len(find_leaks(test, rows, toolset, similarity, normaliser)) - copies,
                nearest=dict(zip(("p50", "p90", "max"), quantiles(near, (0.5, 0.9, 1.0)), strict=True)),
            )
        )
    return LeakageReport(similarity=similarity, tables=described, bands=_bands(reached, exact, confidence))


def _bands(reached: Sequence[float], exact: Mapping[int, bool], confidence: float) -> list[SimilarityBand]:
    """The bands that hold a case, the most similar first."""
    bands = []
    for low, high in zip(_ENDS, (*_ENDS[1:], 1.0), strict=True):
        right = [
            exact[place]
            for place, value in enumerate(reached)
            if place in exact and low <= value and (value < high or low == 1.0)
        ]
        if right:
            share = wilson(sum(right), len(right), confidence)
            bands.append(SimilarityBand(low=low, high=high, n=len(right), exact=share))
    return bands[::-1]

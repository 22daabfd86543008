"""Which of the traces that passed become seeds."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from distil_dag.core.case import Trace
from distil_dag.core.normalise import Normaliser
from distil_dag.core.tool_call import calls_key
from distil_dag.core.verdict import Verdict
from distil_dag.stages.splitting.stratified import fair_shares, pattern


def choose_seeds(
    passed: Sequence[Trace], verdicts: Mapping[str, Verdict], size: int, seed: int, normaliser: Normaliser
) -> set[str]:
    """Ids of at most `size` traces, one a request and step, rare cells of tool and argument pattern first.

    A request with other calls in another context is another one.

    Within a cell higher scores go first, by tenths and in random order within a tenth: beyond
    that the score says more of how usual a request is than of whether its call is right.
    """
    best: list[Trace] = []
    known: set[tuple[str, int, str]] = set()
    for trace in sorted(passed, key=lambda trace: -(verdicts[trace.id].score or 0)):
        identity, context = normaliser.situation(trace)
        calls = calls_key(verdicts[trace.id].trusted_calls)
        # In another context the same words may want other calls. With the same calls they are one request.
        marks = {(identity, trace.step, mark) for mark in (f"in {context}", f"calls {calls}")}
        if not marks & known:
            known |= marks
            best.append(trace)
    cells: dict[str, list[Trace]] = defaultdict(list)
    for trace in sorted(best, key=lambda trace: trace.id):
        cells[pattern(verdicts[trace.id].trusted_calls)].append(trace)
    shares = fair_shares({cell: len(rows) for cell, rows in cells.items()}, size)
    chosen: set[str] = set()
    for cell, rows in sorted(cells.items()):
        random.Random(f"{seed}:seeds:{cell}").shuffle(rows)
        rows.sort(key=lambda trace: -round(verdicts[trace.id].score or 0.0, 1))
        chosen |= {trace.id for trace in rows[: shares[cell]]}
    return chosen

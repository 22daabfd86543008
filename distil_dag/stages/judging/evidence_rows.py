"""Traces of a long log that are judged to prove what a student can do, and never learned from."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from distil_dag.core.case import Trace
from distil_dag.core.normalise import Normaliser
from distil_dag.core.settings import JudgeSpec

# Score of the judge from which a label is good enough. Where labels are wrong, a student that is right
# counts as wrong, and no number of rows proves more than the labels reach.
SURE = 0.9
# Fewer prove nothing.
_FEWEST = 20


def evidence_rows(
    traces: Sequence[Trace], spec: JudgeSpec, normaliser: Normaliser
) -> tuple[list[Trace], list[Trace]]:
    """Draw requests before the sample that training learns from is drawn.

    Each request has the same chance, so that they are a fair sample of the requests to come: the sample that
    training learns from holds rare calls more often than they come. Only what that sample would leave out is
    taken, so training has no row less.

    Args:
        traces: valid ones, in any order.
        spec: how many are judged for training, and how many for evidence.
        normaliser: tells which requests are the same.

    Returns:
        One trace for each step of the drawn requests, and the traces of all other requests, both sorted by
        id; nothing is drawn from a log that is judged whole, nor fewer than 20 requests.
    """
    ordered = sorted(traces, key=lambda trace: trace.id)
    over = len(ordered) - (spec.sample or len(ordered))
    wanted = int(spec.evidence * (spec.sample or 0) + 1e-9)
    if min(over, wanted) < _FEWEST:
        return [], ordered
    requests: dict[str, list[Trace]] = defaultdict(list)
    for trace in ordered:
        requests[normaliser.identity(trace)].append(trace)
    names = sorted(requests)
    random.Random(f"{spec.seed}:evidence").shuffle(names)
    chosen: list[str] = []
    for name in names[:wanted]:
        # A request that comes very often leaves the sample too little.
        if len(requests[name]) <= over:
            chosen.append(name)
            over -= len(requests[name])
    if len(chosen) < _FEWEST:
        return [], ordered
    drawn = [
        next(trace for trace in requests[name] if trace.step == step)
        for name in chosen
        for step in sorted({trace.step for trace in requests[name]})
    ]
    apart = set(chosen)
    rest = [trace for name, rows in requests.items() if name not in apart for trace in rows]
    return sorted(drawn, key=lambda trace: trace.id), sorted(rest, key=lambda trace: trace.id)

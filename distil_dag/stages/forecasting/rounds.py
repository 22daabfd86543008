"""The rounds of a synthesis as they go on average: how often the teacher is asked, in how many groups.

The prompts of a group share all but their last turn. Groups get smaller as cells fill, so that later calls
have more to compute than the first ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from distil_dag.core.settings import SynthesisSpec
from distil_dag.stages.synthesis.loop import group_size, wanted_attempts


def expected_rounds(missing: Mapping[str, int], passing: float, spec: SynthesisSpec) -> tuple[int, int]:
    """Calls and groups that it takes to fill cells.

    Args:
        missing: cell -> rows that it lacks.
        passing: share of calls whose result is kept.
        spec: the settings of synthesis.

    Returns:
        The number of calls, and of groups.
    """
    needs = {cell: float(rows) for cell, rows in missing.items()}
    made = dict.fromkeys(needs, 0.0)
    tried = dict.fromkeys(needs, 0)
    most = spec.rows * spec.max_attempts_per_row
    calls = groups = 0
    while calls < most:
        room, sent = spec.batch, 0
        for cell in sorted(needs, key=lambda cell: (-needs[cell], cell)):
            wanted = wanted_attempts(math.ceil(needs[cell] - 0.5), made[cell], tried[cell])
            count = min(room, group_size(spec), wanted)
            if count <= 0:
                continue
            room, sent, groups = room - count, sent + count, groups + 1
            tried[cell] += count
            made[cell] += count * passing
            needs[cell] -= count * passing
        if not sent:
            break
        calls += sent
    return calls, groups

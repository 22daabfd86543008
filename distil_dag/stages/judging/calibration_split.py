"""Trusted examples that nobody learns from, on which a student's confidence is calibrated."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from distil_dag.core.case import Example
from distil_dag.core.normalise import ENGLISH, Normaliser
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.settings import JudgeSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.judging.judge import Judged, keep_apart
from distil_dag.stages.splitting.stratified import pattern, proportional_shares

# More say little more, and each is decoded once an export. Fewer say nothing, so none are taken.
_MOST, _FEWEST = 100, 20


def set_aside(
    judged: Judged,
    report: JudgeReport,
    spec: JudgeSpec,
    toolset: Toolset,
    similarity: float,
    earlier: Sequence[Example] = (),
    normaliser: Normaliser = ENGLISH,
) -> tuple[Judged, JudgeReport]:
    """Take calibration cases out of what was judged, one for each step of a drawn request.

    Requests are drawn in proportion to tool and argument pattern, never the last one of a pattern, and by
    chance: those that the judge is surest of would be easier than what comes, and a threshold found on them
    would promise too much. Requests of the context go before those of seeds, which are surer and dearer; a
    wrong label among them makes the threshold promise too little.

    Where judging has taken rows from beyond its sample, those are the calibration cases, all of them, and
    nothing is drawn: they are a fairer sample, and training keeps its rows.

    Calls where a placeholder of personal data stands for a number would be wrong whatever a student knows, so
    they are not drawn. Cases leave as the test does: with every row of the same request, and near copies with
    the same calls, so that neither the teacher nor the trainer sees them.

    Args:
        judged: what judging left, in any order.
        report: the report on it.
        spec: the share of requests to set aside, and the seed. There are 100 at most, and none where the
            share is fewer than 20.
        toolset: the tools of the task.
        similarity: of requests with the same calls, from which one is a near copy of the other (0 to 1).
        earlier: what an earlier round set aside. It stays so, and nothing is drawn: that round's student may
            have learned from all other rows.
        normaliser: tells which requests are the same.

    Returns:
        The same without these rows but with calibration cases, and the report on that.
    """
    groups: dict[str, list[Example]] = defaultdict(list)
    for row in sorted([*judged.seeds, *judged.context], key=lambda row: row.id):
        groups[normaliser.identity(row)].append(row)
    if earlier:
        return _kept_apart(judged, report, earlier, toolset, similarity, normaliser)
    if judged.calibration:
        return _kept_apart(judged, report, judged.calibration, toolset, similarity, normaliser)
    strict = {
        key: [text for call in rows[0].calls for text in toolset.problems(call, placeholders=False)]
        for key, rows in groups.items()
    }
    groups = {key: rows for key, rows in groups.items() if not strict[key]}
    size = min(_MOST, int(spec.set_aside * len(groups)))
    if size < _FEWEST:
        return judged, report
    chosen = [
        next(row for row in groups[key] if row.step == step)
        for key in _drawn(groups, size, spec.seed)
        for step in sorted({row.step for row in groups[key]})
    ]
    return _kept_apart(judged, report, chosen, toolset, similarity, normaliser)


def _kept_apart(
    judged: Judged,
    report: JudgeReport,
    cases: Sequence[Example],
    toolset: Toolset,
    similarity: float,
    normaliser: Normaliser,
) -> tuple[Judged, JudgeReport]:
    chosen = {normaliser.identity(case) for case in cases}
    own = [*judged.seeds, *judged.context, *judged.calibration]
    left = chosen & {normaliser.identity(row) for row in own}
    rest = replace(
        judged,
        seeds=[row for row in judged.seeds if normaliser.identity(row) not in chosen],
        context=[row for row in judged.context if normaliser.identity(row) not in chosen],
        unlabelled=[row for row in judged.unlabelled if normaliser.identity(row) not in chosen],
        calibration=sorted(cases, key=lambda row: row.id),
    )
    counts = {"seeds": len(rest.seeds), "passed_context": len(rest.context), "set_aside": len(left)}
    counted = report.model_copy(update=counts)
    return keep_apart(rest, counted, rest.calibration, toolset, similarity, normaliser)


def _drawn(groups: Mapping[str, Sequence[Example]], size: int, seed: int) -> set[str]:
    cells: dict[str, list[str]] = defaultdict(list)
    for key in sorted(groups):
        cells[pattern(groups[key][0].calls)].append(key)
    chosen: set[str] = set()
    for cell, share in proportional_shares({cell: len(keys) for cell, keys in cells.items()}, size).items():
        keys = cells[cell]
        random.Random(f"{seed}:{cell}").shuffle(keys)
        keys.sort(key=lambda key: any(row.origin == "seed" for row in groups[key]))
        chosen.update(keys[: min(share, len(keys) - 1)])
    return chosen

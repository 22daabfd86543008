"""Synthetic training rows: call first, words second.

A coverage plan says which calls are wanted. Two makers write requests for them: the teacher, from a planned
call and exemplars of the same cell, and slot substitution in real requests. The exemplar of a tool that no
trusted case calls is its description, which is a row as well.

Every row is checked (see :mod:`distil_dag.stages.synthesis.filters`); what fails is kept with its reason.
Rounds (:mod:`distil_dag.stages.synthesis.loop`) go on until the set is full or the attempts are used up.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from distil_dag.core.case import Case, Example
from distil_dag.core.earlier_round import Earlier
from distil_dag.core.normalise import ENGLISH, Normaliser
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.settings import SynthesisSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.spans import tokens
from distil_dag.stages.ports import ChatModel, Progress, quiet
from distil_dag.stages.prompting.prompt_files import digests
from distil_dag.stages.synthesis.filters import (
    REASONS,
)
from distil_dag.stages.synthesis.loop import Rejected, SynthesisLoop

# A set fills, and more requests repeat one of its rows: for as much as the first calls bring, later ones
# have to be so many times as many (1.5 in the smart_home example).
LATER_CALLS = 1.5


@dataclass(frozen=True)
class Synthetic:
    """What was made: rows to learn from, and rows that failed. A row's id names its loop.

    `origins`: id of a row -> ids of the cases that it was made from.
    """

    accepted: list[Example]
    rejected: list[Rejected]
    origins: dict[str, tuple[str, ...]]

    def origin_rows(self) -> list[dict[str, str]]:
        """The origins as rows of a table, JSON in `made_from`, in the order of the rows."""
        ids = [row.id for row in self.accepted] + [row.id for row in self.rejected]
        return [{"id": one, "made_from": json.dumps(self.origins.get(one, ()))} for one in ids]


def synthesize(
    seeds: Sequence[Example],
    context: Sequence[Case],
    test: Sequence[Case],
    toolset: Toolset,
    spec: SynthesisSpec,
    teacher: ChatModel,
    progress: Progress = quiet,
    earlier: Earlier | None = None,
    normaliser: Normaliser = ENGLISH,
) -> tuple[Synthetic, SynthesisReport]:
    """Rows under the conventions of the seeds, and the yield funnel.

    The same inputs and replies give the same rows.

    Args:
        seeds: the trusted cases whose conventions rows follow.
        context: judged examples count as trusted beside the seeds; other cases lend words alone, no calls.
        test: read for leakage alone.
        toolset: the tools of the task.
        spec: how many rows, and how they are made.
        teacher: words the planned calls.
        progress: hears of each round.
        earlier: a round that is continued: the plan leans on the cells where its student fails, and no row
            repeats one of its rows.
        normaliser: tells which requests are the same.

    Raises:
        ValueError: there is no seed with words, or a mutator does not exist.
    """
    if not any(tokens(seed.request) for seed in seeds):
        raise ValueError("no seeds to learn from: judge traces first, or lower `judge.min_score`")
    started = time.monotonic()
    progress(0, spec.rows, "learning the seeds' conventions")
    loop = SynthesisLoop(seeds, context, test, toolset, spec, teacher, earlier, normaliser)
    stopped = loop.run(progress)
    reasons = Counter(row.reason for row in loop.rejected)
    report = SynthesisReport(
        teacher=teacher.identity,
        attempted=len(loop.accepted) + len(loop.rejected),
        accepted=len(loop.accepted),
        rejected={reason: reasons[reason] for reason in REASONS if reasons[reason]},
        cells=[cell.coverage(loop.filled[cell.name]) for cell in loop.plan],
        by_value=sorted(loop.names.by_value),
        rounds=loop.rounds,
        stopped=stopped,
        prompt_tokens=loop.prompt_tokens,
        completion_tokens=loop.completion_tokens,
        seconds=round(time.monotonic() - started, 3),
        prompts=digests("call_first", "widening") if spec.widen else digests("call_first"),
    )
    return Synthetic(loop.accepted, loop.rejected, loop.origins), report

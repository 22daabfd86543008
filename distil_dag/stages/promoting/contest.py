"""Two students on the same cases, which neither has learned from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from distil_dag.core.case import Case
from distil_dag.core.leaks import find_leaks
from distil_dag.core.normalise import Normaliser
from distil_dag.core.promotion import Contest, ToolDifference
from distil_dag.core.tables import CaseType
from distil_dag.core.tool_call import NO_CALL
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.answers import Scored
from distil_dag.stages.statistics import PairedDifference, compare


def unseen(
    cases: Sequence[CaseType],
    learned: Sequence[Case],
    toolset: Toolset,
    similarity: float,
    normaliser: Normaliser,
) -> list[CaseType]:
    """The cases that no learned row repeats, in their order.

    Args:
        cases: labelled cases.
        learned: all rows that any of the students was trained on.
        toolset: by whose canonical form calls are compared.
        similarity: from which requests with the same calls are copies (0 to 1).
        normaliser: tells which requests are the same.
    """
    known = {normaliser.identity(row) for row in learned}
    left = [case for case in cases if normaliser.identity(case) not in known]
    near = {leak.row for leak in find_leaks(learned, left, toolset, similarity, normaliser)}
    return [case for case in left if case.id not in near]


def contest(
    name: str,
    labels: str,
    challenger: Mapping[int, Scored],
    champion: Mapping[int, Scored],
    left_out: int = 0,
    confidence: float = 0.95,
) -> Contest:
    """Compare two students on the cases that both answered.

    Args:
        name: whose cases they are.
        labels: what is known of their labels.
        challenger: place of a case -> its answer.
        champion: place of a case -> its answer.
        left_out: cases that were not asked, since one of both had learned from them.
        confidence: of the intervals.
    """
    common = sorted(challenger.keys() & champion.keys())
    pairs = [(challenger[place].score.exact, champion[place].score.exact) for place in common]
    if not pairs:
        return Contest(name=name, labels=labels, n=0, left_out=left_out)
    by_tool: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for place, pair in zip(common, pairs, strict=True):
        for tool in {call.name for call in challenger[place].case.calls} or {NO_CALL}:
            by_tool[tool].append(pair)
    whole = _compared(pairs, confidence)
    return Contest(
        name=name,
        labels=labels,
        n=whole.n,
        gained=whole.first_only,
        lost=whole.second_only,
        left_out=left_out,
        difference=whole.difference,
        tools=[_of_tool(tool, found, confidence) for tool, found in sorted(by_tool.items())],
    )


def _of_tool(tool: str, pairs: Sequence[tuple[bool, bool]], confidence: float) -> ToolDifference:
    found = _compared(pairs, confidence)
    return ToolDifference(
        tool=tool,
        n=found.n,
        gained=found.first_only,
        lost=found.second_only,
        difference=found.difference,
    )


def _compared(pairs: Sequence[tuple[bool, bool]], confidence: float) -> PairedDifference:
    return compare([first for first, _ in pairs], [second for _, second in pairs], confidence)

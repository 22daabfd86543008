"""The same test in every runtime that serves the student: whether prompts and answers are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.evidence import OtherPrompt, RuntimeReport
from distil_dag.core.settings import EvaluationSpec
from distil_dag.core.tool_call import same_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages import statistics
from distil_dag.stages.evaluating.answers import Answered, Results, Scored, writable

# Of two prompts that differ, the report shows the ids around the first difference.
_BEFORE, _BEHIND = 4, 12

ScoredPair = tuple[Scored, Scored]
"""Answers to one case: the reference's, a runtime's."""


def runtimes(
    software: Mapping[str, str], reference: str, scored: Results, toolset: Toolset, spec: EvaluationSpec
) -> list[RuntimeReport]:
    """Compare every runtime with the reference.

    A prompt is the same when its ids are those that the reference was asked with. That holds for the ids that
    the candidate was asked with, and for those that its runtime's own chat route would ask with. A prompt
    without known ids counts as different.

    Args:
        software: candidate -> names and versions of what it runs by.
        reference: name of the candidate that the others are compared with.
        scored: answers of all candidates.
        toolset: the tools, for canonical calls.
        spec: the settings of the evaluation.

    Returns:
        A row for each candidate in `software`, the reference first. Empty without the reference's answers.
    """
    known = scored.get(reference, {})
    rows = []
    for name, by in sorted(software.items(), key=lambda item: item[0] != reference):
        pairs = [
            (ours, scored[name][place]) for place, ours in known.items() if place in scored.get(name, {})
        ]
        if pairs:
            rows.append(_row(name, by, pairs, toolset, spec))
    return rows


def _row(
    name: str, by: str, pairs: Sequence[ScoredPair], toolset: Toolset, spec: EvaluationSpec
) -> RuntimeReport:
    asked = [(ours, theirs) for ours, theirs in pairs if ours.answered.asked is not None]
    others = [found for pair in asked if (found := _other_prompt(*pair))]
    times = [theirs.answered.latency_ms for _, theirs in pairs if theirs.answered.latency_ms is not None]
    wanted, given = [ours.score.exact for ours, _ in pairs], [theirs.score.exact for _, theirs in pairs]
    told = [pair for pair in pairs if not any(item.answered.error for item in pair)]

    def share(count: int) -> Estimate:
        return statistics.wilson(count, len(pairs), spec.confidence)

    return RuntimeReport(
        candidate=name,
        software=by,
        n=len(pairs),
        prompts=len(asked),
        same_prompts=len(asked) - len(others),
        other_prompt=others[0] if others else None,
        exact=share(sum(given)),
        difference=statistics.compare(given, wanted, spec.confidence).difference,
        same_calls=share(sum(_same_calls(*pair, toolset) for pair in told)),
        same_text=share(sum(ours.answered.text == theirs.answered.text for ours, theirs in told)),
        p50_ms=statistics.quantiles(times, (0.5,))[0] if times else None,
    )


def _other_prompt(ours: Scored, theirs: Scored) -> OtherPrompt | None:
    """Where a runtime's prompt parts from the reference's; None if it does not."""
    wanted = ours.answered.asked or ()
    for ids in _prompts(theirs.answered):
        if ids != wanted:
            at = next((n for n, (a, b) in enumerate(zip(wanted, ids, strict=False)) if a != b), None)
            at = min(len(wanted), len(ids)) if at is None else at
            start = max(0, at - _BEFORE)
            return OtherPrompt(
                case=writable(theirs.case.id),
                request=writable(theirs.case.request),
                start=start,
                reference=list(wanted[start : at + _BEHIND]),
                runtime=list(ids[start : at + _BEHIND]),
            )
    return None


def _prompts(answered: Answered) -> list[tuple[int, ...]]:
    asked = () if answered.asked is None else answered.asked
    return [asked] if answered.rendered is None else [asked, answered.rendered]


def _same_calls(ours: Scored, theirs: Scored, toolset: Toolset) -> bool:
    if ours.parsed.error is not None or theirs.parsed.error is not None:
        return ours.answered.text.strip() == theirs.answered.text.strip()
    left, right = ([toolset.canonical(call) for call in item.parsed.calls] for item in (ours, theirs))
    return same_calls(left, right)

"""What a reader of a run is told about the system prompts of its log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from distil_dag.core.case import Case
from distil_dag.core.context import ContextRule
from distil_dag.core.reports.intake import ContextReport, ContextValues, VaryingPart
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.spans import locate
from distil_dag.stages.nlu.unsaid_values import plain_values, unsaid_values
from distil_dag.stages.student.context_split import ContextSplit, Prompt, SystemPrompts

_PARTS, _EXAMPLES = 12, 3
# English text has about so many characters a token.
_TOKEN = 4
# Of the lengths, the one that is told as the longest.
_LONGEST = 0.95


def context_report(
    found: SystemPrompts, split: ContextSplit, rule: ContextRule, toolset: Toolset
) -> ContextReport:
    """The report on a log with system prompts.

    Args:
        found: the prompts.
        split: what of them is constant.
        rule: what the student reads of them.
        toolset: the tools, whose arguments are looked up in what varies.
    """
    sample = found.sample
    contexts = [split.varying.of(case.messages) for case in sample]
    read = sorted(len(rule.of(case.messages)) for case in sample)
    count = max(len(contexts), 1)
    return ContextReport(
        requests=found.requests,
        prompts=found.different,
        templates=split.templates,
        keeps=rule.keeps,
        constant=list(split.constant),
        parts=_parts(found.prompts, frozenset(split.constant)) if split.varies else [],
        mean_words=sum(len(text.split()) for text in contexts) / count,
        mean_tokens=sum(map(len, contexts)) / count / _TOKEN,
        kept_tokens=read[int(_LONGEST * len(read))] // _TOKEN if read else 0,
        values=_values(zip(sample, contexts, strict=True), toolset) if split.varies else [],
    )


def _parts(prompts: Iterable[Prompt], constant: frozenset[str]) -> list[VaryingPart]:
    """What varies, by the constant segment before it and the first word."""
    seen: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    requests: Counter[tuple[str, str]] = Counter()
    for prompt in prompts:
        placed = list(_placed(prompt, constant))
        for place, part in placed:
            seen[place][part] += len(prompt.places)
        for place in dict.fromkeys(place for place, _ in placed):  # a set has no order of its own
            requests[place] += len(prompt.places)
    return [
        VaryingPart(
            behind=place[0],
            requests=count,
            values=len(seen[place]),
            examples=[part for part, _ in seen[place].most_common(_EXAMPLES)],
        )
        for place, count in requests.most_common(_PARTS)
    ]


def _placed(prompt: Prompt, constant: frozenset[str]) -> Iterator[tuple[tuple[str, str], str]]:
    behind = ""
    for block in prompt.blocks:
        for part in block:
            if part in constant:
                behind = part
            else:
                yield (behind, part.split()[0]), part


def _values(pairs: Iterable[tuple[Case, str]], toolset: Toolset) -> list[ContextValues]:
    """Where the values of each argument stand, those first that stand most often in the context alone."""
    labels: Counter[tuple[str, str]] = Counter()
    alone: dict[tuple[str, str], list[object]] = defaultdict(list)
    for case, context in pairs:
        labels.update((tool, argument) for tool, argument, _ in plain_values(case, toolset))
        for tool, argument, value in unsaid_values(case, toolset):
            if locate(value, context):
                alone[tool, argument].append(value)
    rows = [
        ContextValues(
            tool=tool,
            argument=argument,
            labels=count,
            only_in_context=len(alone[tool, argument]),
            example=str(alone[tool, argument][0]) if alone[tool, argument] else "",
        )
        for (tool, argument), count in labels.items()
    ]
    return sorted(rows, key=lambda row: (-row.share, row.tool, row.argument))

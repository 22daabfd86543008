"""Where a student and the labels of the test disagree, and whether the log agrees with itself there.

A student can only learn a convention that the log keeps. Each kind of difference is therefore counted against
the logged rows with the same words. Where these are split, the label of a test case is a matter of chance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distil_dag.core.case import Case
from distil_dag.core.leaks import nearest
from distil_dag.core.normalise import Normaliser
from distil_dag.core.reports.evidence import Disagreement, LabelNoiseReport
from distil_dag.core.tool_call import ToolCall, same_value
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.metrics import Difference, call_differences
from distil_dag.stages.nlu.spans import locate
from distil_dag.stages.statistics import wilson

# A convention: seen in this many cases at least, on which this many logged rows bear, of which this many,
# and this share, go against the label: a single row may be a mistake of the log.
_CASES, _ROWS, _AGAINST, _SPLIT = 2, 5, 2, 0.1
# Similarity of two requests from which they ask for the same kind of thing.
_ALIKE = 0.8
_EXAMPLES = 3

Calls = Sequence[ToolCall]
# Kind, tool, argument.
_Group = tuple[str, str, str]
# A row's id and what it was found by; does it side with the label?
_Side = tuple[tuple[str, str], bool]


@dataclass(frozen=True)
class Answers:
    """What the candidates answered to one case.

    Attributes:
        case: the test case.
        right: whether the student's answer is exact.
        student: the student's calls; None where its answer could not be read.
        others: calls of the other candidates by name.
    """

    case: Case
    right: bool
    student: Calls | None
    others: Mapping[str, Calls]


def find_label_noise(
    answers: Sequence[Answers],
    log: Sequence[Case],
    toolset: Toolset,
    normaliser: Normaliser,
    confidence: float = 0.95,
) -> LabelNoiseReport:
    """All disagreements of the student with the labels.

    An answer that could not be read is no disagreement about labels. Failures whose every difference is a
    convention are set aside from `exact`, a figure beside the result and never in its place.

    Args:
        answers: the answers to the test.
        log: logged rows whose calls are trusted.
        toolset: the tools.
        confidence: of the Wilson interval.
        normaliser: tells which requests are the same.

    Returns:
        The disagreements, the most frequent first.
    """
    groups: dict[_Group, list[tuple[Answers, Difference]]] = defaultdict(list)
    failures: list[set[_Group]] = []
    for item in answers:
        if item.right or item.student is None:
            continue
        failures.append(set())
        for found in _differences(item.case.calls, item.student, toolset):
            group = _kind(found), found.tool, found.argument
            groups[group].append((item, found))
            failures[-1].add(group)
    evidence = _Log(log, toolset, normaliser)
    described = {group: _described(group, members, evidence, toolset) for group, members in groups.items()}
    split = {group for group, row in described.items() if row.convention}
    aside = sum(kinds <= split for kinds in failures)
    return LabelNoiseReport(
        log_rows=len(log),
        disagreements=sorted(described.values(), key=lambda row: (-len(row.cases), row.kind, row.tool)),
        set_aside=aside,
        exact=wilson(sum(item.right for item in answers), len(answers) - aside, confidence),
    )


def _differences(expected: Calls, given: Calls, toolset: Toolset) -> list[Difference]:
    return call_differences(
        [toolset.canonical(call) for call in expected], [toolset.canonical(call) for call in given]
    )


def _kind(found: Difference) -> str:
    """The difference's kind; a value that is part of the other one is a matter of boundaries."""
    return "other boundary" if found.kind == "wrong value" and _part(found) else found.kind


def _part(found: Difference) -> bool:
    """True when the words of one value hold the other."""
    values = (found.expected, found.given)
    if not all(isinstance(value, str) and value.strip() for value in values):
        return False
    return bool(locate(values[0], values[1]) or locate(values[1], values[0]))


def _described(
    group: _Group,
    members: Sequence[tuple[Answers, Difference]],
    evidence: _Log,
    toolset: Toolset,
) -> Disagreement:
    kind, tool, argument = group
    sides: dict[tuple[str, str], bool] = {}
    others: dict[str, int] = defaultdict(int)
    for item, found in members:
        sides |= evidence.sides(found, item.case)
        for name, calls in item.others.items():
            others[name] += any(_same(found, its) for its in _differences(item.case.calls, calls, toolset))
    cases = list(dict.fromkeys(item.case.id for item, _ in members))
    with_label = sum(sides.values())
    against = len(sides) - with_label
    return Disagreement(
        kind=kind,
        tool=tool,
        argument=argument,
        cases=cases,
        examples=list(dict.fromkeys(_example(found) for _, found in members))[:_EXAMPLES],
        others={name: count for name, count in others.items() if count},
        log_as_label=with_label,
        log_otherwise=against,
        convention=len(cases) >= _CASES
        and len(sides) >= _ROWS
        and against >= max(_AGAINST, _SPLIT * len(sides)),
    )


def _same(left: Difference, right: Difference) -> bool:
    places = [(found.kind, found.tool, found.argument) for found in (left, right)]
    return places[0] == places[1] and same_value(left.given, right.given)


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _example(found: Difference) -> str:
    sides = ("left out" if value is None else str(value) for value in (found.expected, found.given))
    return " / ".join(sides)


class _Log:
    """Trusted rows of the log, and on which side of a difference they are."""

    def __init__(self, rows: Sequence[Case], toolset: Toolset, normaliser: Normaliser) -> None:
        self._identity, self._context = normaliser.identity, normaliser.context
        # Tool -> the rows that call it once, with its arguments.
        self._of: dict[str, list[tuple[Case, dict[str, Any]]]] = defaultdict(list)
        for row in rows:
            for name, times in Counter(call.name for call in row.calls).items():
                if times == 1:
                    call = next(call for call in row.calls if call.name == name)
                    self._of[name].append((row, toolset.canonical(call).arguments))

    def sides(self, found: Difference, case: Case) -> dict[tuple[str, str], bool]:
        """(row's id, what it was found by) -> does it side with the label? Without rows that take no side."""
        if found.kind == "wrong tool":
            return dict(self._tools(found, case))
        if found.kind in ("missing argument", "extra argument"):
            return dict(self._presence(found))
        if found.kind == "wrong value":
            return dict(self._boundaries(found) if _part(found) else self._values(found, case))
        return {}

    def _tools(self, found: Difference, case: Case) -> Iterator[_Side]:
        """Which of the two tools rows with much the same words call."""
        key = self._identity(case)
        for tool in (found.expected, found.given):
            for row, _ in self._in_context(tool, case):
                if len(row.calls) == 1 and nearest(key, [self._identity(row)])[0] >= _ALIKE:
                    yield (row.id, ""), tool == found.expected

    def _presence(self, found: Difference) -> Iterator[_Side]:
        """Whether rows of the tool that say the value have it in the argument."""
        value = found.given if found.kind == "extra argument" else found.expected
        for row, arguments in self._of[found.tool]:
            if locate(value, row.request):
                carries = _folded(arguments.get(found.argument)) == _folded(value)
                yield (row.id, str(value)), carries == (found.kind == "missing argument")

    def _boundaries(self, found: Difference) -> Iterator[_Side]:
        """Whether rows of the tool take the longer value's further words for part of a value."""
        shorter, longer = sorted((str(found.expected), str(found.given)), key=len)
        spans = locate(shorter, longer)
        before, after = (longer[: spans[0][0]], longer[spans[0][1] :]) if spans else ("", "")
        if not before + after:  # the same words in another spelling
            return
        before, after = before.casefold(), after.casefold()
        for row, arguments in self._of[found.tool]:
            value = arguments.get(found.argument)
            if not isinstance(value, str) or not value:
                continue
            folded = value.casefold()
            includes = (
                folded.startswith(before) and folded.endswith(after) and len(folded) > len(before + after)
            )
            if includes or locate(f"{before}{folded}{after}", row.request):
                yield (row.id, f"{before}…{after}"), includes == (longer == found.expected)

    def _in_context(self, tool: str, case: Case) -> Iterator[tuple[Case, dict[str, Any]]]:
        """The rows of a tool that were asked in the case's context: in another one the answer may differ."""
        here = self._context.of(case.messages)
        return ((row, args) for row, args in self._of[tool] if self._context.of(row.messages) == here)

    def _values(self, found: Difference, case: Case) -> Iterator[_Side]:
        """Rows with the words for which one side gives the other's value.

        Only where the request says one of the two and not both: of two things that are said the student
        took the wrong one, which is a mistake.
        """
        said = [value for value in (found.expected, found.given) if locate(value, case.request)]
        if len(said) != 1:
            return
        for row, arguments in self._in_context(found.tool, case):
            value = arguments.get(found.argument)
            as_label = same_value(value, found.expected)
            if locate(said[0], row.request) and (as_label or same_value(value, found.given)):
                yield (row.id, str(said[0])), as_label

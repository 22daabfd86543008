"""Tools and arguments that were renamed: calls of an older schema, read under the current names.

A log can be older than its schema. Calls with names that the tools no longer have are not wrong, only dated.
The requests that such calls answer tell which tool the name stood for. The words of their values tell which
argument: an intent-slot model, trained on valid calls, labels them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distil_dag.core.case import Example, Trace
from distil_dag.core.reports.judging import Rename
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.intent_slots import IntentSlotModel
from distil_dag.stages.nlu.slot_tagger import likeliest
from distil_dag.stages.nlu.spans import OUTSIDE, contains, locate

# A name is replaced when at least so many calls vote on it, and this share of them for the same other name.
_FEWEST = 2
_SURE = 0.6
# The probability from which the intent-slot model's tool for a request counts.
_READ = 0.5
# Traces of the current schema from which its use can be learned.
_TO_LEARN_FROM = 20


@dataclass(frozen=True)
class _Names:
    """Old name of a tool -> its name; (tool, old name of an argument) -> its name."""

    tools: Mapping[str, str]
    arguments: Mapping[tuple[str, str], str]

    def call(self, old: ToolCall) -> ToolCall:
        name = self.tools.get(old.name, old.name)
        arguments = {self.arguments.get((name, key), key): value for key, value in old.arguments.items()}
        # Two old names for one argument: nobody can say which value counts.
        return ToolCall(name=name, arguments=arguments) if len(arguments) == len(old.arguments) else old


def undo_renames(traces: Sequence[Trace], toolset: Toolset) -> tuple[list[Trace], list[Rename]]:
    """Replace names of an older schema where the log is sure which name they stand for.

    A trace changes only when all its calls are valid under the tools afterwards; it then has no problems. All
    others stay as they were. At least twenty traces must be valid as they are, otherwise nothing changes.

    Returns:
        The traces in their order, and what was replaced.
    """
    valid = [trace for trace in traces if not trace.problems and not _unknown(trace, toolset)]
    old = [trace for trace in traces if _unknown(trace, toolset)]
    if len(valid) < _TO_LEARN_FROM or not old:
        return list(traces), []
    intent_slots = IntentSlotModel([_example(trace) for trace in valid])
    tool_votes = _tool_votes(old, toolset, intent_slots)
    tools = {was: now for was, votes in tool_votes.items() if (now := _winner(votes))}
    argument_votes = _argument_votes(old, toolset, intent_slots, tools)
    arguments = {
        place: now
        for place, votes in argument_votes.items()
        if (now := _winner(votes)) in toolset[place[0]].properties
    }
    names = _Names(tools, arguments)
    renamed = {trace.id: changed for trace in old if (changed := _under(names, trace, toolset))}
    used = Counter(pair for trace in old if trace.id in renamed for pair in _pairs(trace, names))
    found = [_rename(was, now, used[was], tool_votes[was]) for was, now in sorted(tools.items()) if used[was]]
    found += [
        _rename(argument, now, used[(tool, argument)], argument_votes[(tool, argument)], tool)
        for (tool, argument), now in sorted(arguments.items())
        if used[(tool, argument)]
    ]
    return [renamed.get(trace.id, trace) for trace in traces], found


def _unknown(trace: Trace, toolset: Toolset) -> bool:
    """Whether a call has a name, or an argument's name, that the tools do not have."""
    return any(
        call.name not in toolset or not all(map(toolset[call.name].knows, call.arguments))
        for call in trace.calls
    )


def _tool_votes(
    old: Sequence[Trace], toolset: Toolset, intent_slots: IntentSlotModel
) -> dict[str, Counter[str]]:
    """Unknown tool -> tools that the model predicts for its requests; parallel calls say too little."""
    alone = [trace for trace in old if len(trace.calls) == 1 and trace.calls[0].name not in toolset]
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for trace, chances in zip(alone, intent_slots.read_tools([t.request for t in alone]), strict=True):
        tools = likeliest(chances)
        # The model is sure of no tool for another agent's requests.
        sure = chances.get(tools, 0.0) >= _READ
        votes[trace.calls[0].name][tools if sure else OUTSIDE] += 1
    return votes


def _argument_votes(
    old: Sequence[Trace], toolset: Toolset, intent_slots: IntentSlotModel, tools: Mapping[str, str]
) -> dict[tuple[str, str], Counter[str]]:
    """(Tool, unknown argument) -> arguments that the model labels the words of its values with.

    Where too few calls of the tool have it, those of all tools vote.
    """
    votes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for trace in old:
        for call in trace.calls:
            name = tools.get(call.name, call.name)
            if name not in toolset:
                continue
            for argument, value in call.arguments.items():
                if not toolset[name].knows(argument):
                    votes[(name, argument)][_read_as(intent_slots, name, value, trace.request)] += 1
    of_all_tools: dict[str, Counter[str]] = defaultdict(Counter)
    for (_, argument), own in votes.items():
        of_all_tools[argument].update(own)
    return {place: own if _winner(own) else of_all_tools[place[1]] for place, own in votes.items()}


def _read_as(intent_slots: IntentSlotModel, tool: str, value: Any, request: str) -> str:
    """The argument that the model labels a value's words with; OUTSIDE for none, or words not said."""
    spans = locate(value, request)
    chances: Counter[str] = Counter()
    for _, word, read in intent_slots.read_arguments(tool, request):
        if contains(word, spans):
            chances.update(read)
    return likeliest(chances)


def _winner(votes: Counter[str]) -> str:
    """The name that the votes are for; OUTSIDE where they are few, divided, or for none."""
    ((name, most),) = votes.most_common(1)
    return name if most >= _FEWEST and most >= _SURE * votes.total() else OUTSIDE


def _rename(was: str, now: str, traces: int, votes: Counter[str], tool: str = "") -> Rename:
    """The report's line; names of arguments stand behind that of their tool."""
    form = f"{tool}({{}})" if tool else "{}"
    agreement = votes[now] / votes.total()
    return Rename(was=form.format(was), now=form.format(now), traces=traces, agreement=agreement)


def _under(names: _Names, trace: Trace, toolset: Toolset) -> Trace | None:
    calls = tuple(names.call(call) for call in trace.calls)
    if any(toolset.problems(call) for call in calls):
        return None
    return trace.model_copy(update={"calls": calls, "problems": ()})


def _pairs(trace: Trace, names: _Names) -> Iterator[Any]:
    """What was renamed in a trace: tools by name, arguments with the current name of their tool."""
    for call in trace.calls:
        name = names.tools.get(call.name, call.name)
        if name != call.name:
            yield call.name
        yield from ((name, key) for key in call.arguments if (name, key) in names.arguments)


def _example(trace: Trace) -> Example:
    return Example(id=trace.id, messages=trace.messages, calls=trace.calls, origin="seed")

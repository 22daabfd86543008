"""A request about one line of its context, turned into a request about another line of it.

"switch on the fan" names the device of the line "- fan: d63", and its label has the id of that line. Beside
the line "- radio: d74" it becomes "switch on the radio" with the other id. So words and label still belong
together.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distil_dag.core.case import Case, Message
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.spans import Span, locate, tokens
from distil_dag.stages.nlu.unsaid_values import unsaid_values

_SHORTEST_NAME = 3
_WORD = re.compile(r"\w+(?:[ .'-]\w+)*")
_ANY_WORDS = r"[\w .'-]*"


@dataclass(frozen=True)
class _Entry:
    """What two lines of one list differ in: the value of the label, and the words that users say for it."""

    value: str
    name: str


def about_another_line(
    case: Case, context: str, toolset: Toolset, rng: random.Random | None = None
) -> Case | None:
    """The case about another line of its context; None where it is about no line, or there is no other.

    Args:
        case: a case whose label has one value that nobody said.
        context: the context of the case.
        toolset: the tools, which have to allow the other value.
        rng: draws the line; the first one by default.
    """
    unsaid = {found.value for found in unsaid_values(case, toolset) if isinstance(found.value, str)}
    lines = context.splitlines()
    held = [(value, line) for value in sorted(unsaid) for line in lines if locate(value, line)]
    if len(held) != 1:
        return None
    value, line = held[0]
    name = _name(line, value, case.request, lines)
    if not name or len(locate(name, case.request)) != 1:
        return None
    entry = _Entry(value, name)
    others = [found for other in lines if other != line for found in _like(line, entry, other, case.request)]
    unlike = [found for found in others if sum(bool(locate(found.name, text)) for text in lines) == 1]
    moved = [moved for found in unlike if (moved := _moved(case, entry, found, toolset))]
    return (rng.choice(moved) if rng else moved[0]) if moved else None


def _name(line: str, value: str, request: str, lines: Sequence[str]) -> str:
    """The longest run of words that the request and this line alone have, beside the value."""
    words = [(start, end) for word, start, end in tokens(line) if word[0].isalnum()]
    taken = locate(value, line)
    runs = [
        line[first:last]
        for place, (first, _) in enumerate(words)
        for _, last in words[place:]
        if not any(start < last and first < end for start, end in taken)
    ]
    common = [run for run in runs if len(run) >= _SHORTEST_NAME and locate(run, request)]
    common = [run for run in common if sum(bool(locate(run, text)) for text in lines) == 1]
    return max(common, key=len, default="")


def _like(line: str, entry: _Entry, other: str, request: str) -> list[_Entry]:
    """Value and name of a line that is written as this one is; empty if it is not."""
    places = [("value", *locate(entry.value, line)[0]), ("name", *locate(entry.name, line)[0])]
    pattern, done = "", 0
    for group, start, end in sorted(places, key=lambda place: place[1]):
        pattern += f"{_masked(line[done:start])}(?P<{group}>{_WORD.pattern})"
        done = end
    match = re.fullmatch(pattern + _masked(line[done:]), other)
    if match is None:
        return []
    # What else of its line a request says must be true of the other line as well.
    said = {word for word, *_ in tokens(line) if len(word) >= _SHORTEST_NAME and locate(word, request)}
    said -= {word for word, *_ in tokens(entry.name)}
    return [_Entry(match["value"], match["name"])] if all(locate(word, other) for word in said) else []


def _masked(text: str) -> str:
    """A pattern for the text with any words in place of its own."""
    done, pattern = 0, ""
    for match in _WORD.finditer(text):
        pattern += re.escape(text[done : match.start()]) + _ANY_WORDS
        done = match.end()
    return pattern + re.escape(text[done:])


def _moved(case: Case, old: _Entry, new: _Entry, toolset: Toolset) -> Case | None:
    place: Span = locate(old.name, case.request)[0]
    said = case.request[slice(*place)]
    name = new.name.casefold() if said == said.casefold() else new.name
    request = case.request[: place[0]] + name + case.request[place[1] :]
    values = {old.value: new.value, old.name.casefold(): new.name}
    calls = tuple(
        ToolCall(
            name=call.name, arguments={key: _swapped(value, values) for key, value in call.arguments.items()}
        )
        for call in case.calls
    )
    if any(toolset.problems(call) for call in calls):
        return None
    last = max(at for at, message in enumerate(case.messages) if message.role == "user")
    messages = (*case.messages[:last], Message(role="user", content=request), *case.messages[last + 1 :])
    return case.model_copy(update={"messages": messages, "calls": calls})


def _swapped(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_swapped(item, values) for item in value]
    return values.get(value, values.get(value.casefold(), value)) if isinstance(value, str) else value

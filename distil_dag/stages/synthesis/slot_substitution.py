"""New requests out of real ones, without a model: other values in the slots of a template, and
the beginning of one request with the end of another of the same cell.

Real carriers keep the conventions of the seeds (what belongs to a value, what users leave out), which
a small teacher's own words often break.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from distil_dag.core.case import Case, Example, Message
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.scripts import is_dense
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.nlu.context_values import ContextValues
from distil_dag.stages.nlu.spans import Path, Template, delexicalise, tokens
from distil_dag.stages.nlu.value_catalogue import ValueCatalogue

# A joined request shorter than this part of its shorter parent has lost what it meant.
_KEPT_LENGTH = 0.75
# Draws of values before a refill that only repeats its seed is given up.
_REDRAWS = 4

Made = tuple[tuple[Message, ...], str, tuple[ToolCall, ...], tuple[str, ...]]
"""The history in front of a request, the request, its calls, and the ids of the cases that it is made of."""


class SlotSubstituter:
    """Makes requests of one cell from its trusted cases."""

    def __init__(
        self, cases: Sequence[Example], catalogue: ValueCatalogue, context: ContextRule = NOTHING
    ) -> None:
        self._catalogue = catalogue
        self._context_values = ContextValues(cases, context, catalogue.toolset)
        self._templates = [delexicalise(case) for case in cases if tokens(case.request)]
        self._movable = {case.id for case in cases if self._context_values.moved(case)}
        self._used: Counter[str] = Counter()

    @property
    def can_refill(self) -> bool:
        return any(self._is_open(template) for template in self._templates)

    @property
    def can_cross(self) -> bool:
        return len(self._templates) > 1 and all(len(t.case.calls) <= 1 for t in self._templates)

    def refill(self, rng: random.Random) -> Made | None:
        """A least used template with other values in its slots; None if the cell has no slots.

        One that is about a line of its context may become one about another line first.
        """
        open_ones = [template for template in self._templates if self._is_open(template)]
        if not open_ones:
            return None
        template = self._least_used(open_ones, rng)
        moved = self._context_values.moved(template.case, rng) if template.case.id in self._movable else None
        template = delexicalise(moved) if moved else template
        for _ in range(_REDRAWS):
            request, calls = template.fill(self._draw(template, rng))
            if request != template.case.request:
                break
        return history(template.case), request, calls, (template.case.id,)

    def cross(self, rng: random.Random) -> Made | None:
        """The beginning of a template and the end of another, joined at a word or slot of both."""
        first = self._least_used(self._templates, rng)
        others = [other for other in self._templates if other is not first]
        rng.shuffle(others)
        for other in others:
            joined = _joined(first, other, rng)
            if joined is not None:
                request, calls = joined.fill(self._draw(joined, rng))
                return history(first.case), request, calls, (first.case.id, other.case.id)
        return None

    def _is_open(self, template: Template) -> bool:
        return bool(template.slots) or template.case.id in self._movable

    def _least_used(self, templates: Sequence[Template], rng: random.Random) -> Template:
        fewest = min(self._used[template.case.id] for template in templates)
        chosen = rng.choice([t for t in templates if self._used[t.case.id] == fewest])
        self._used[chosen.case.id] += 1
        return chosen

    def _draw(self, template: Template, rng: random.Random) -> dict[Path, Any]:
        values: dict[Path, Any] = {}
        for path in sorted(template.paths):
            place, name = path
            tool = template.case.calls[place].name
            kind = self._catalogue.kind(tool, name)
            within = self._context_values.within(template.case, (tool, name))
            if kind is not None and within is not None:
                values[path] = kind.draw(rng, (tool, name), template.frame(path), within)
        return values


def history(case: Case) -> tuple[Message, ...]:
    """What stands in front of a case's last request: system prompt and earlier turns."""
    last = max((at for at, message in enumerate(case.messages) if message.role == "user"), default=0)
    return case.messages[:last]


def _joined(first: Template, other: Template, rng: random.Random) -> Template | None:
    """A new template whose slots are those of `first`, each once; None if the two never meet."""
    if history(first.case) != history(other.case):
        return None
    if first.paths != other.paths or _fixed(first) != _fixed(other):
        return None
    left, right = _units(first), _units(other)
    meetings = [
        (i, j)
        for i, (word, _, _) in enumerate(left)
        for j, (same, _, _) in enumerate(right)
        if word == same and (i > 0 or j > 0) and (i < len(left) - 1 or j < len(right) - 1)
        # Letters of a script without spaces meet in the midst of words.
        if not is_dense(word)
        # A call keeps its meaning by its slots and verb; what is no call has only its words to keep it.
        if first.case.calls or (i > 0 and j > 0 and left[i - 1][0] == right[j - 1][0])
    ]
    rng.shuffle(meetings)
    whole = sorted(f"[{name}]" for _, name in first.paths)
    for i, j in meetings:
        units = [word for word, _, _ in left[: i + 1]] + [word for word, _, _ in right[j + 1 :]]
        if sorted(unit for unit in units if unit.startswith("[")) != whole:
            continue
        head, tail = first.case.request[: left[i][2]], other.case.request[right[j][2] :]
        request = head + tail
        if request in (first.case.request, other.case.request):
            continue
        if len(units) < _KEPT_LENGTH * min(len(left), len(right)):
            continue
        shift = len(head) - right[j][2]
        slots = [slot for slot in first.slots if slot[1][1] <= len(head)]
        slots += [(path, (s + shift, e + shift)) for path, (s, e) in other.slots if s >= right[j][2]]
        tail_values = {path[1] for path, span in other.slots if span[0] >= right[j][2]}
        calls = tuple(
            ToolCall(
                name=call.name,
                arguments={
                    name: (same if name in tail_values else call).arguments[name] for name in call.arguments
                },
            )
            for call, same in zip(first.case.calls, other.case.calls, strict=True)
        )
        messages = (*history(first.case), Message(role="user", content=request))
        case = first.case.model_copy(update={"messages": messages, "calls": calls})
        return Template(case, tuple(slots))
    return None


def _units(template: Template) -> list[tuple[str, int, int]]:
    """Words of the request with a slot as one unit, and their spans."""
    units: list[tuple[str, int, int]] = []
    for word, start, end in tokens(template.case.request):
        slot = next(((n, s) for (_, n), s in template.slots if s[0] <= start and end <= s[1]), None)
        if slot is None:
            units.append((word, start, end))
        elif not units or units[-1][1:] != slot[1]:
            units.append((f"[{slot[0]}]", *slot[1]))
    return units


def _fixed(template: Template) -> Mapping[str, Any]:
    return {
        name: value
        for place, call in enumerate(template.case.calls)
        for name, value in call.arguments.items()
        if (place, name) not in template.paths
    }

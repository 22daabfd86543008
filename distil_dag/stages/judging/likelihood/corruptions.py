"""Corruptions (synthetic negatives): what a judge learns to tell from the log's calls without any label.

A call of the log is corrupted in the ways agents go wrong: another tool, another value, an argument
too few or too many, a value under the wrong name or cut short, a call too many, too few or none.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from distil_dag.core.tool_call import Calls, ToolCall, same_calls
from distil_dag.core.toolset import Toolset

_TRIES = 12
# How much more likely a tool with exactly the same arguments replaces another.
_ALIKE = 3.0


class Corruptor:
    """Corrupts calls so that they stay valid under the tools and differ from the original.

    `values` are the log's values of each argument, as JSON with their weight; `donors` are the
    log's own answers.
    """

    def __init__(self, toolset: Toolset, values: Mapping[str, Counter[str]], donors: Sequence[Calls]) -> None:
        self._toolset = toolset
        self._values = {name: (sorted(counts), counts) for name, counts in sorted(values.items())}
        self._donors = [calls for calls in donors if calls]
        # The plain ones more often: they are the ones that agents make most.
        self._kinds: list[tuple[Callable[[random.Random, Calls], Calls | None], float]] = [
            (self._other_tool, 3.0),
            (self._other_value, 3.0),
            (self._without_argument, 3.0),
            (self._with_argument, 3.0),
            (self._renamed_argument, 1.0),
            (self._cut_value, 1.0),
            (self._without_call, 1.0),
            (self._with_call, 0.5),
        ]

    def corrupt(self, rng: random.Random, calls: Calls) -> Calls | None:
        """The calls with one corruption; None when no corruption can be made of them."""
        kinds, weights = zip(*self._kinds, strict=True)
        for _ in range(_TRIES):
            found = rng.choices(kinds, weights)[0](rng, calls) if calls else self._with_call(rng, calls)
            if (
                found is not None
                and not same_calls(map(self._toolset.canonical, found), map(self._toolset.canonical, calls))
                and not any(self._toolset.problems(call) for call in found)
            ):
                return found
        return None

    def _other_tool(self, rng: random.Random, calls: Calls) -> Calls | None:
        place = rng.randrange(len(calls))
        names = [name for name in self._toolset.names if name != calls[place].name]
        if not names or calls[place].name not in self._toolset:
            return None
        # A tool that takes the same arguments is taken for another more easily.
        own = set(self._toolset[calls[place].name].properties)
        alike = [1 + _ALIKE * _overlap(own, set(self._toolset[name].properties)) for name in names]
        tool = self._toolset[rng.choices(names, alike)[0]]
        kept = {name: v for name, v in calls[place].arguments.items() if name in tool.properties}
        for name in tool.required:
            if name not in kept:
                value = self._draw(rng, name)
                if value is None:
                    return None
                kept[name] = json.loads(value)
        return _replaced(calls, place, ToolCall(name=tool.name, arguments=kept))

    def _other_value(self, rng: random.Random, calls: Calls) -> Calls | None:
        place = rng.randrange(len(calls))
        name = _any(rng, calls[place].arguments)
        value = self._draw(rng, name) if name else None
        return self._with(calls, place, name, value) if name and value else None

    def _without_argument(self, rng: random.Random, calls: Calls) -> Calls | None:
        place = rng.randrange(len(calls))
        name = _any(rng, calls[place].arguments)
        return self._without(calls, place, name) if name else None

    def _with_argument(self, rng: random.Random, calls: Calls) -> Calls | None:
        place = rng.randrange(len(calls))
        name = _any(rng, self._free(calls[place]))
        value = self._draw(rng, name) if name else None
        return self._with(calls, place, name, value) if name and value else None

    def _renamed_argument(self, rng: random.Random, calls: Calls) -> Calls | None:
        place = rng.randrange(len(calls))
        old, new = _any(rng, calls[place].arguments), _any(rng, self._free(calls[place]))
        if not old or not new:
            return None
        value = json.dumps(calls[place].arguments[old])
        return self._with(self._without(calls, place, old), place, new, value)

    def _cut_value(self, rng: random.Random, calls: Calls) -> Calls | None:
        place = rng.randrange(len(calls))
        name = _any(rng, calls[place].arguments)
        value = calls[place].arguments[name] if name else None
        if not name or not isinstance(value, str) or len(value.split()) < 2:
            return None
        parts = value.split()
        return self._with(calls, place, name, json.dumps(" ".join(rng.choice((parts[1:], parts[:-1])))))

    def _without_call(self, rng: random.Random, calls: Calls) -> Calls | None:
        place = rng.randrange(len(calls))
        return calls[:place] + calls[place + 1 :]

    def _with_call(self, rng: random.Random, calls: Calls) -> Calls | None:
        return calls + rng.choice(self._donors)[:1] if self._donors else None

    def _free(self, call: ToolCall) -> dict[str, None]:
        known = self._toolset[call.name].properties if call.name in self._toolset else {}
        return {name: None for name in known if name not in call.arguments and name in self._values}

    def _draw(self, rng: random.Random, name: str) -> str | None:
        if name not in self._values:
            return None
        keys, counts = self._values[name]
        return rng.choices(keys, [counts[key] for key in keys])[0]

    @staticmethod
    def _with(calls: Calls, place: int, name: str, value: str) -> Calls:
        call = calls[place]
        return _replaced(
            calls, place, ToolCall(name=call.name, arguments=call.arguments | {name: json.loads(value)})
        )

    @staticmethod
    def _without(calls: Calls, place: int, name: str) -> Calls:
        kept = {key: value for key, value in calls[place].arguments.items() if key != name}
        return _replaced(calls, place, ToolCall(name=calls[place].name, arguments=kept))


def _replaced(calls: Calls, place: int, call: ToolCall) -> Calls:
    return (*calls[:place], call, *calls[place + 1 :])


def _overlap(left: set[str], right: set[str]) -> float:
    return len(left & right) / len(left | right) if left | right else 1.0


def _any(rng: random.Random, names: Mapping[str, object]) -> str | None:
    return rng.choice(sorted(names)) if names else None

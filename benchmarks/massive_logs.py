"""The MASSIVE log made worse in four ways, each the same for the same seed.

- *corrupted*: half of the calls are wrong: another tool, a changed, dropped or invented argument.
- *renamed*: half of the calls carry the names of an older schema, tools and arguments alike.
- *small*: twenty traces are left.
- *mixed*: four of five traces are another agent's, under the same names: a Home Assistant's requests,
  whose tools and arguments are given names of this one's.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import JsonValue

from distil_dag.core.case import Message, Trace
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "smart_home"))
from household_words import households
from sentences import sample_request

Corruption = Callable[[Sequence[Trace], Toolset, int], list[Trace]]

_SHARE = 0.5
_SMALL = 20
_OTHERS = 4


def clean(traces: Sequence[Trace], toolset: Toolset, seed: int) -> list[Trace]:
    """The log as it is."""
    return list(traces)


def corrupted(traces: Sequence[Trace], toolset: Toolset, seed: int) -> list[Trace]:
    """Half of the traces with one corruption in their call, drawn evenly from the kinds that it allows."""
    rng = random.Random(f"{seed}:corrupted")
    values = [(name, value) for t in traces for call in t.calls for name, value in call.arguments.items()]
    chosen = set(rng.sample([t.id for t in traces if t.calls], round(_SHARE * len(traces))))
    return [_with(t, (_fault(rng, t.calls[0], toolset, values),)) if t.id in chosen else t for t in traces]


def renamed(traces: Sequence[Trace], toolset: Toolset, seed: int) -> list[Trace]:
    """Half of the traces under other names for every tool and argument, one for each."""
    rng = random.Random(f"{seed}:renamed")
    names = sorted({tool.name for tool in toolset.tools} | {n for t in toolset.tools for n in t.properties})
    old = {
        name: f"{rng.choice('abcdefgh')}{number}_{rng.randrange(1000)}" for number, name in enumerate(names)
    }
    chosen = set(rng.sample([t.id for t in traces], round(_SHARE * len(traces))))
    return [
        _with(
            t,
            tuple(
                ToolCall(name=old[call.name], arguments={old[k]: v for k, v in call.arguments.items()})
                for call in t.calls
            ),
        )
        if t.id in chosen
        else t
        for t in traces
    ]


def small(traces: Sequence[Trace], toolset: Toolset, seed: int) -> list[Trace]:
    """Twenty traces, drawn at random."""
    rng = random.Random(f"{seed}:small")
    return sorted(rng.sample(list(traces), _SMALL), key=lambda trace: trace.id)


def mixed(traces: Sequence[Trace], toolset: Toolset, seed: int) -> list[Trace]:
    """The log with four times as many traces of another agent, whose names read as this one's."""
    rng = random.Random(f"{seed}:mixed")
    houses = households(16, rng)
    known: dict[str, str] = {}
    others: list[Trace] = []
    while len(others) < _OTHERS * len(traces):
        request = sample_request(rng.choice(houses), rng)
        tool = toolset[known.setdefault(str(request.tool), rng.choice(toolset.names))]
        arguments = {}
        for name, value in request.arguments.items():
            slot = f"{request.tool}({name})"
            arguments[known.setdefault(slot, rng.choice(sorted(tool.properties)))] = str(value)
        others.append(
            Trace(
                id=f"other-{len(others):05d}",
                messages=(Message(role="user", content=request.words),),
                calls=(ToolCall(name=tool.name, arguments=arguments),),
            )
        )
    return [*traces, *others]


LOGS: dict[str, Corruption] = {
    "clean": clean,
    "corrupted": corrupted,
    "renamed": renamed,
    "small": small,
    "mixed": mixed,
}


def _with(trace: Trace, calls: tuple[ToolCall, ...]) -> Trace:
    return trace.model_copy(update={"calls": calls})


def _fault(
    rng: random.Random, call: ToolCall, toolset: Toolset, values: Sequence[tuple[str, JsonValue]]
) -> ToolCall:
    """The call with another tool, or with an argument changed, dropped or invented."""
    kinds = ["tool", "invented", *(("changed", "dropped") if call.arguments else ())]
    kind = rng.choice(kinds)
    arguments = dict(call.arguments)
    if kind == "tool":
        return ToolCall(name=rng.choice([n for n in toolset.names if n != call.name]), arguments=arguments)
    if kind == "dropped":
        del arguments[rng.choice(sorted(arguments))]
    elif kind == "changed":
        name = rng.choice(sorted(arguments))
        arguments[name] = rng.choice([v for n, v in values if n == name and v != arguments[name]] or ["it"])
    else:
        free = [(n, v) for n, v in values if n in toolset[call.name].properties and n not in arguments]
        name, value = rng.choice(free or [(n, v) for n, v in values if arguments.get(n) != v])
        arguments[name] = value
    return ToolCall(name=call.name, arguments=arguments)

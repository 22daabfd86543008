"""Requests of homes whose system prompts say the date, the user and the devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from distil_dag.core.case import Message, Trace
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.student.context_split import SystemPrompts

TOOLSET = Toolset(
    [
        Tool(
            name="switch",
            parameters={
                "type": "object",
                "properties": {"device": {"type": "string"}, "state": {"enum": ["on", "off"]}},
            },
        ),
        Tool(name="agenda", parameters={"type": "object", "properties": {"date": {"type": "string"}}}),
    ]
)
RULES = "You run a home. Call one tool for each request.\nNever ask back."
DEVICES = {"desk lamp": "d41", "heater": "d52", "fan": "d63", "radio": "d74"}


def prompt(day: int, names: Sequence[str] = tuple(DEVICES), shift: int = 0, rules: str = RULES) -> str:
    listed = "\n".join(f"- {name}: {DEVICES[name]}{shift}" for name in names)
    return f"{rules}\nToday is 2026-11-{day:02}.\nDevices:\n{listed}"


def trace(number: int, system: str, words: str = "hello", *calls: ToolCall) -> Trace:
    turns = (Message(role="system", content=system), Message(role="user", content=words))
    return Trace(id=f"t{number:04}", messages=turns if system else turns[1:], calls=calls)


def home_log(count: int = 120, homes: int = 4) -> list[Trace]:
    """Each home has other ids for the same names; what to switch is said by name and labelled by id."""
    names = list(DEVICES)
    log = []
    for n in range(count):
        home, name = n % homes, names[n // homes % len(names)]
        call = ToolCall(name="switch", arguments={"device": f"{DEVICES[name]}{home}", "state": "on"})
        system = prompt(1 + n % 28, names[: 2 + home % 3], home)
        if name in names[: 2 + home % 3]:
            log.append(trace(n, system, f"switch on the {name}", call))
        else:
            agenda = ToolCall(name="agenda", arguments={"date": f"2026-11-{1 + n % 28:02}"})
            log.append(trace(n, system, "what is on today", agenda))
    return log


def read(traces: Iterable[Trace]) -> SystemPrompts:
    found = SystemPrompts()
    for one in traces:
        found.add(one)
    return found

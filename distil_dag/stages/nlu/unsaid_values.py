"""Values of calls that the words of a conversation do not hold."""

from __future__ import annotations

from typing import Any, NamedTuple

from distil_dag.core.case import Case
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.spans import leaves, locate, surfaces


class PlainValue(NamedTuple):
    """A plain value of a call.

    Attributes:
        tool: name of the tool.
        argument: name of the argument that holds the value.
        value: the value itself, or one of a list or an object.
    """

    tool: str
    argument: str
    value: Any


def plain_values(case: Case, toolset: Toolset) -> list[PlainValue]:
    """The values that users would have to say: those with words of their own, outside of closed lists."""
    return [
        PlainValue(call.name, name, leaf)
        for call in case.calls
        if call.name in toolset
        for name, value in call.arguments.items()
        if "enum" not in toolset[call.name].properties.get(name, {})
        for leaf in leaves(value)
        if surfaces(leaf)
    ]


def unsaid_values(case: Case, toolset: Toolset) -> list[PlainValue]:
    """Those of the values that stand in no turn of the conversation; system turns do not count."""
    said = "\n".join(message.content for message in case.messages if message.role != "system")
    return [found for found in plain_values(case, toolset) if not locate(found.value, said)]

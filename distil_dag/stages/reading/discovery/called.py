"""What the calls of a log show of its tools, where no request defines them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from distil_dag.core.placeholders import PLACEHOLDER
from distil_dag.core.tool_call import ToolCall

_MOST_NAMES, _MOST_ARGUMENTS, _LEVELS = 1000, 100, 5
# A few values that come again and again are an enum; each of them must repeat.
_MOST_VALUES, _FEWEST_SEEN, _LONGEST, _FEWEST_REPEATS = 10, 50, 40, 3


@dataclass
class _Shape:
    """What values of one place look like."""

    types: Counter[str] = field(default_factory=Counter)
    values: Counter[str] | None = field(default_factory=Counter)
    members: dict[str, _Shape] = field(default_factory=dict)
    items: _Shape | None = None

    def add(self, value: Any, level: int = 0) -> None:
        kind = _type_of(value)
        self.types[kind] += 1
        if kind == "string":
            self._count(value)
        elif kind == "object" and level < _LEVELS:
            for name, held in value.items():
                if name in self.members or len(self.members) < _MOST_ARGUMENTS:
                    self.members.setdefault(name, _Shape()).add(held, level + 1)
        elif kind == "array" and level < _LEVELS:
            self.items = self.items or _Shape()
            for one in value:
                self.items.add(one, level + 1)

    def _count(self, value: str) -> None:
        if self.values is None:
            return
        self.values[value] += 1
        if len(self.values) > _MOST_VALUES or len(value) > _LONGEST or PLACEHOLDER.search(value):
            self.values = None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema that fits every value seen."""
        types = [name for name in self.types if not (name == "integer" and "number" in self.types)]
        schema: dict[str, Any] = {"type": types[0] if len(types) == 1 else sorted(types)} if types else {}
        if types == ["string"] and self._is_enum:
            schema["enum"] = sorted(self.values or ())
        if "object" in self.types and (self.members or len(types) == 1):
            schema["properties"] = {name: shape.schema for name, shape in self.members.items()}
            always = [name for name, shape in self.members.items() if shape.seen == self.types["object"]]
            schema |= {"required": always} if always else {}
        if self.items is not None and self.items.types:
            schema["items"] = self.items.schema
        return schema

    @property
    def seen(self) -> int:
        """Number of values."""
        return self.types.total()

    @property
    def _is_enum(self) -> bool:
        return (
            bool(self.values)
            and self.seen >= _FEWEST_SEEN
            and min((self.values or Counter()).values()) >= _FEWEST_REPEATS
        )


class CalledTools:
    """Collects calls, in bounded memory."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._shapes: dict[str, _Shape] = {}

    def add(self, calls: Iterable[ToolCall]) -> None:
        """Take the calls of an answer, without personal data."""
        for call in calls:
            if call.name not in self._shapes and len(self._shapes) >= _MOST_NAMES:
                continue
            self.calls[call.name] += 1
            self._shapes.setdefault(call.name, _Shape()).add(dict(call.arguments))

    def definitions(self) -> list[dict[str, Any]]:
        """A definition of each tool that was called, marked for review, the most frequent first.

        Every argument that all calls of a tool have is required.
        """
        return [_definition(name, count, self._shapes[name]) for name, count in self.calls.most_common()]


def _definition(name: str, count: int, shape: _Shape) -> dict[str, Any]:
    times = "1 call" if count == 1 else f"{count} calls"
    function: Mapping[str, Any] = {
        "name": name,
        "description": f"REVIEW: inferred from {times}. Say what it does, and check its arguments.",
        "parameters": shape.schema,
    }
    return {"type": "function", "function": dict(function)}


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    return {str: "string", int: "integer", float: "number", list: "array"}.get(type(value), "object")

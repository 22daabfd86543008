"""The tools of a task: OpenAI function definitions, what they allow, and their identity."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from functools import cached_property
from typing import Any

import jsonschema
from pydantic import BaseModel, ConfigDict

from distil_dag.core.json_schema import in_order, resolved
from distil_dag.core.placeholders import is_placeholder
from distil_dag.core.tool_call import ToolCall, same_value


class Tool(BaseModel):
    """One function: its name, its description and the JSON Schema of its arguments."""

    model_config = ConfigDict(frozen=True)

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}

    @cached_property
    def properties(self) -> dict[str, dict[str, Any]]:
        """Argument name -> its JSON Schema with references resolved, in the order of the definition."""
        declared = self.parameters.get("properties") or {}
        return {name: resolved(spec, self.parameters) for name, spec in declared.items()}

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the arguments that every call must carry."""
        return tuple(self.parameters.get("required") or ())

    @property
    def defaults(self) -> dict[str, Any]:
        """Argument name -> default value, for those that declare one."""
        return {name: spec["default"] for name, spec in self.properties.items() if "default" in spec}

    def openai(self) -> dict[str, Any]:
        """The definition as OpenAI's chat API takes it."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": self.parameters,
            },
        }


class Toolset:
    """The frozen tools of a run, with the rules that follow from their schemas.

    Attributes:
        tools: the tools, in the order of their definition.
        description: what the task is.

    Raises:
        ValueError: where two tools share one name.
    """

    def __init__(self, tools: list[Tool] | tuple[Tool, ...], description: str = "") -> None:
        self.tools = tuple(tools)
        self.description = description
        self._by_name = {tool.name: tool for tool in self.tools}
        if len(self._by_name) != len(self.tools):
            raise ValueError("two tools share one name")

    @classmethod
    def from_openai(cls, tools: list[dict[str, Any]], description: str = "") -> Toolset:
        """The toolset of a list of OpenAI tool definitions (`{"type": "function", "function": {...}}`).

        Args:
            tools: the definitions.
            description: what the task is.

        Raises:
            ValueError: where two tools share one name.
        """
        return cls([Tool.model_validate(tool.get("function", tool)) for tool in tools], description)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Tool:
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tools, in the order of their definition."""
        return tuple(self._by_name)

    def openai(self) -> list[dict[str, Any]]:
        """All definitions as OpenAI's chat API takes them."""
        return [tool.openai() for tool in self.tools]

    @cached_property
    def digest(self) -> str:
        """sha256 of the canonical definitions: the tools' identity in the lineage."""
        text = json.dumps(self.openai(), sort_keys=True, ensure_ascii=False)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def _validators(self) -> dict[str, jsonschema.protocols.Validator]:
        return {
            tool.name: jsonschema.Draft202012Validator(tool.parameters or {"type": "object"})
            for tool in self.tools
        }

    def problems(self, call: ToolCall, placeholders: bool = True) -> list[str]:
        """Why a call is not valid under the tools.

        Args:
            call: the call, with or without the arguments that have defaults.
            placeholders: whether a placeholder of personal data is valid anywhere. The value that it replaced
                was valid, or was found wrong before. If False, a placeholder is a text like any other.

        Returns:
            One sentence for each problem; empty when the call is valid.
        """
        if call.name not in self:
            return [f"unknown tool {call.name!r}"]
        found = [
            f"{call.name}: {error.message}"
            for error in self._validators[call.name].iter_errors(call.arguments)
            if not (placeholders and _excused(error))
        ]
        unknown = set(call.arguments) - set(self[call.name].properties)
        if unknown and not any("unexpected" in text for text in found):
            found.append(f"{call.name}: unknown arguments {sorted(unknown)}")
        return found

    def takes(self, tool: str, argument: str, value: Any) -> bool:
        """Whether the schema of an argument takes a value.

        Args:
            tool: name of a known tool.
            argument: name of the argument; one that is not declared takes any value.
            value: parsed JSON.
        """
        spec = self[tool].properties.get(argument, {})
        # What the schema refers to further in is found from the tool's own root.
        return self._validators[tool].evolve(schema=spec).is_valid(value)

    def canonical(self, call: ToolCall) -> ToolCall:
        """The canonical form of a call, in which equal calls are written the same.

        Returns:
            The call with its arguments in schema order, nested objects too, and without optional arguments
            that equal their default. A call of an unknown tool stays as it is.
        """
        if call.name not in self:
            return call
        tool = self[call.name]
        order = {name: place for place, name in enumerate(tool.properties)}
        unset = {name: value for name, value in tool.defaults.items() if name not in tool.required}
        kept = {
            name: in_order(value, tool.properties.get(name), tool.parameters)
            for name, value in call.arguments.items()
            if not (name in unset and same_value(unset[name], value))
        }
        ordered = sorted(kept.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))
        return ToolCall(name=call.name, arguments=dict(ordered))


def _excused(error: jsonschema.ValidationError) -> bool:
    """True if placeholders are all that is wrong, be it in one of several schemas that would do."""
    ways: dict[Any, list[jsonschema.ValidationError]] = defaultdict(list)
    for part in error.context or ():
        ways[part.schema_path[0]].append(part)
    return is_placeholder(error.instance) or any(all(map(_excused, parts)) for parts in ways.values())

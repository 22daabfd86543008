"""The tools of a task: OpenAI function definitions, what they allow, and their identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from jsonschema import ValidationError
from jsonschema.protocols import Validator
from pydantic import BaseModel, ConfigDict

from distil_dag.core.json_schema import resolved
from distil_dag.core.placeholders import is_placeholder
from distil_dag.core.schema_members import Members, members
from distil_dag.core.schema_validation import alternatives, sentence, validator, with_nulls
from distil_dag.core.schema_values import Form
from distil_dag.core.tool_call import NAMESPACE, ToolCall
from distil_dag.core.tool_definition import openai_definition

_NEEDING = frozenset({
    "anyOf", "oneOf", "allOf", "not", "if", "minProperties", "dependentRequired", "dependentSchemas",
    "uniqueItems",
})  # fmt: skip


class Tool(BaseModel):
    """One function: its name, its description and the JSON Schema of its arguments."""

    model_config = ConfigDict(frozen=True)

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}

    @cached_property
    def meaning(self) -> dict[str, Any]:
        """The schema of the arguments, in JSON Schema's own words: an object, nulls as a type."""
        return {"type": "object", **with_nulls(self.parameters)}

    @cached_property
    def rule(self) -> Validator:
        """The validator of the arguments."""
        return validator(self.meaning)

    @cached_property
    def form(self) -> Form:
        """The canonical form of the arguments."""
        return Form(self.rule)

    @cached_property
    def properties(self) -> dict[str, dict[str, Any]]:
        """Argument name -> its JSON Schema with references resolved, in the order of the definition.

        Of a tool whose schema has alternatives, the arguments of all of them.
        """
        return {name: resolved(spec, self.meaning) for name, spec in self._members.properties.items()}

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the arguments that every call must carry."""
        return self._members.required

    @cached_property
    def others(self) -> tuple[Any, ...]:
        """Schemas of arguments under any other name; none where the tool does not say their kind."""
        return tuple(resolved(schema, self.meaning) for schema in self._members.others)

    @property
    def defaults(self) -> dict[str, Any]:
        """Argument name -> default value, for those that declare one."""
        return {name: spec["default"] for name, spec in self.properties.items() if "default" in spec}

    @cached_property
    def _members(self) -> Members:
        return members(self.meaning, self.meaning)

    def knows(self, argument: str) -> bool:
        """Whether the tool declares the argument, or says of what kind any other is."""
        return argument in self.properties or bool(self.others)

    @cached_property
    def needs_members(self) -> bool:
        """Whether something else than `required` may ask for a member of an object."""
        return _NEEDING & set(_keys(self.meaning)) != set()

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
        """The toolset of a list of tool definitions, as OpenAI, MCP servers and other providers write them.

        Args:
            tools: the definitions.
            description: what the task is.

        Raises:
            ValueError: where two tools share one name, or a definition has a key that would be lost.
        """
        bodies = [openai_definition(tool)["function"] for tool in tools]
        return cls([Tool.model_validate(body) for body in bodies], description)

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

    def problems(self, call: ToolCall, placeholders: bool = True) -> list[str]:
        """Why a call is not valid under the tools.

        Args:
            call: the call, with or without the arguments that have defaults. An optional argument is left out
                by null as well, or by a default that its own schema refuses.
            placeholders: whether a placeholder of personal data is valid anywhere. The value that it replaced
                was valid, or was found wrong before. If False, a placeholder is a text like any other.

        Returns:
            One sentence for each problem; empty when the call is valid.
        """
        if call.name not in self:
            return [f"unknown tool {call.name!r}"]
        tool = self[call.name]
        found = _problems(tool, call.arguments, placeholders)
        if (
            found
            and (said := Form(tool.rule, defaults=False).of(call.arguments, tool.meaning)) != call.arguments
        ):
            return _problems(tool, said, placeholders)
        return found

    def takes(self, tool: str, argument: str, value: Any) -> bool:
        """Whether the schema of an argument takes a value.

        Args:
            tool: name of a known tool.
            argument: name of the argument; one of which the tool says nothing takes any value.
            value: parsed JSON.
        """
        others = {"anyOf": list(self[tool].others)} if self[tool].others else {}
        spec = self[tool].properties.get(argument, others)
        # What the schema refers to further in is found from the tool's own root.
        return bool(self[tool].rule.evolve(schema=spec).is_valid(value))

    def canonical(self, call: ToolCall) -> ToolCall:
        """The canonical form of a call, in which equal calls are written the same.

        Returns:
            The call with its arguments in schema order, and whole numbers as integers where their schema says
            so. Optional arguments that equal their default, or say nothing, are left out; in nested objects
            too. A call of an unknown tool stays as it is.
        """
        if call.name not in self:
            return call
        tool = self[call.name]
        found: dict[str, Any] = tool.form.of(call.arguments, tool.meaning)
        if tool.needs_members and not tool.rule.is_valid(found):
            # Without a default that stands there the call would be another form, or none.
            found = Form(tool.rule, defaults=False).of(call.arguments, tool.meaning)
        names = [*tool.properties, *sorted(found.keys() - tool.properties.keys())]
        return ToolCall(name=call.name, arguments={name: found[name] for name in names if name in found})

    def as_defined(self, call: ToolCall) -> ToolCall:
        """The call by its tool's own name, and 3.0 as 3 where its schema says integer."""
        if call.name not in self:
            own = call.name.removeprefix(NAMESPACE)
            return self.as_defined(call.model_copy(update={"name": own})) if own in self else call
        if not _has_float(call.arguments):
            return call
        tool = self[call.name]
        form = Form(tool.rule, ordered=False, void=False)
        return ToolCall(name=call.name, arguments=form.of(call.arguments, tool.meaning))


def _problems(tool: Tool, arguments: dict[str, Any], placeholders: bool) -> list[str]:
    found = [
        f"{tool.name}: {sentence(error)}"
        for error in tool.rule.iter_errors(arguments)
        if not (placeholders and _excused(error))
    ]
    unknown = [] if tool.others else sorted(arguments.keys() - tool.properties.keys())
    if unknown and not any("unexpected" in text for text in found):
        found.append(f"{tool.name}: unknown arguments {unknown}")
    return found


def _excused(error: ValidationError) -> bool:
    """True if placeholders are all that is wrong, be it in one of several schemas that would do."""
    return is_placeholder(error.instance) or any(all(map(_excused, way)) for way in alternatives(error))


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from _keys(part)


def _has_float(value: Any) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return isinstance(value, float)
    return any(map(_has_float, value))

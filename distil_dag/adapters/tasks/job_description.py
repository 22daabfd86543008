"""`job_description.json`: what the agent is for, and its tools as OpenAI function definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from distil_dag.adapters.tasks.located_yaml import (
    Mistake,
    Step,
    UnreadableText,
    located_json,
    mark_json,
    read_text,
)
from distil_dag.adapters.tasks.settings_errors import dotted
from distil_dag.core.json_schema import referred
from distil_dag.core.schema_values import NULL_TEXT
from distil_dag.core.tool_definition import (
    openai_definition,
    problem_keys,
    schema_place,
    tool_body,
    unused_keys,
)
from distil_dag.core.toolset import Tool

FILE = "job_description.json"
_KEYS = ("task_description", "tools")
# Distil Labs' guidance for its own judge and generator, which work by other prompts than ours.
_IGNORED = (
    "llm_as_a_judge_instructions",
    "synthetic_data_generation_instructions",
    "trace_processing_instructions",
    "classes_description",
)
# What may say in the place of `type` that the arguments are an object.
_ELSEWHERE = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
# Of the arguments' schema, what may hold an object or a list: keywords, and notes of generators.
_KEYWORDS = frozenset(Draft202012Validator.VALIDATORS) | {
    "then", "else", "$defs", "definitions", "$vocabulary", "default", "example", "examples",
    "propertyOrdering", "property_ordering", "discriminator", "externalDocs", "xml",
}  # fmt: skip
_NAME = re.compile(r"^[A-Za-z0-9_.:/-]{1,128}$")

Found = tuple[tuple[Step, ...], str]


@dataclass(frozen=True)
class JobDescription:
    """The agent's task in words, its tools, and what is to be said about the file."""

    description: str = ""
    tools: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    mistakes: list[Mistake] = field(default_factory=list)


def read_job_description(folder: Path) -> JobDescription:
    """Read and check `job_description.json`; every mistake of the file is in `mistakes`."""
    path = folder / FILE
    if not path.exists():
        return JobDescription(
            mistakes=[Mistake(FILE, 0, "is missing: it holds `task_description` and `tools`")]
        )
    try:
        text = read_text(path)
        value = located_json(text)
    except UnreadableText as error:
        return JobDescription(mistakes=[Mistake(FILE, error.line, str(error))])
    found = list(_mistakes(value))
    if found:
        marked = mark_json(text, value)
        mistakes = [
            Mistake(FILE, marked.line(place), f"{dotted(place)}: {said}" if place else said)
            for place, said in found
        ]
        return JobDescription(mistakes=mistakes)
    ignored = [key for key in value if key not in _KEYS]
    ignored += sorted({f"tools[].{key}" for tool in value["tools"] for key in unused_keys(tool)})
    return JobDescription(
        description=value["task_description"].strip(),
        tools=tuple(_completed(tool) for tool in value["tools"]),
        warnings=(f"{FILE}: not used here: {', '.join(ignored)}",) if ignored else (),
    )


def tool_mistakes(tool: Any) -> list[str]:
    """What is wrong with a definition; nothing where a task may have it."""
    return [said for _, said in _tool_mistakes(tool, 0)]


def _mistakes(value: Any) -> Iterator[Found]:
    if not isinstance(value, dict):
        yield (), f"must be an object with {' and '.join(_KEYS)}, found {_kind(value)}"
        return
    for key in value:
        missing = [name for name in _KEYS if name not in value]
        if key not in _KEYS + _IGNORED and (near := get_close_matches(key, missing, n=1)):
            yield (key,), f"unknown key; did you mean `{near[0]}`?"
    description = value.get("task_description")
    if not isinstance(description, str) or not description.strip():
        where: tuple[Step, ...] = ("task_description",) if "task_description" in value else ()
        yield where, "`task_description` must say in a sentence or more what the agent does"
    tools = value.get("tools")
    if not isinstance(tools, list) or not tools:
        where = ("tools",) if "tools" in value else ()
        yield where, "`tools` must be a list of at least one function definition"
        return
    first: dict[str, int] = {}
    for place, tool in enumerate(tools):
        yield from _tool_mistakes(tool, place)
        name = tool_body(tool)[1].get("name") if isinstance(tool, dict) else None
        if isinstance(name, str) and first.setdefault(name, place) != place:
            yield ("tools", place), f"the name {name!r} is taken by tools[{first[name]}]; names must differ"


def _tool_mistakes(tool: Any, place: int) -> Iterator[Found]:
    here: tuple[Step, ...] = ("tools", place)
    if not isinstance(tool, dict):
        yield here, f"a tool must be an object, found {_kind(tool)}"
        return
    if tool.get("type", "function") != "function":
        yield (*here, "type"), f"{tool['type']!r} is not allowed; one of: function"
    if not isinstance(tool.get("function", {}), dict):
        wanted = "an object with `name`, `description`, `parameters`"
        yield (*here, "function"), f"must be {wanted}, found {_kind(tool['function'])}"
        return
    for steps, said in problem_keys(tool):
        yield (*here, *steps), said
    steps, body = tool_body(tool)
    here = (*here, *steps)
    name = body.get("name")
    if name is None:
        yield here, "`name` is missing"
    elif not isinstance(name, str) or not _NAME.match(name):
        yield (*here, "name"), f"{name!r} is no tool name; letters, digits and `_ - . : /`, at most 128"
    if not isinstance(body.get("description", ""), str):
        yield (*here, "description"), f"must be text, found {_kind(body['description'])}"
    place_of, schema = schema_place(body)
    if schema:
        for where, said in _schema_mistakes(schema):
            yield (*here, *place_of, *where), said
    elif schema not in ({}, None):
        yield (*here, *place_of), "must be a JSON Schema object"


def _schema_mistakes(schema: Any) -> Iterator[Found]:
    if not isinstance(schema, dict):
        yield (), f"must be a JSON Schema object, found {_kind(schema)}"
        return
    if schema.get("type", None if not _ELSEWHERE & schema.keys() else "object") != "object":
        where: tuple[Step, ...] = ("type",) if "type" in schema else ()
        yield where, f"`type` is {schema.get('type')!r}; the arguments of a tool must be of type `object`"
    for key, part in schema.items():
        if key not in _KEYWORDS and not key.startswith("x-") and isinstance(part, (dict, list)):
            yield (key,), "is no keyword of JSON Schema; arguments stand under `properties`"
    meta = Draft202012Validator(
        Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    errors = list(meta.iter_errors(schema))
    for error in errors:
        yield tuple(error.absolute_path), f"is no valid JSON Schema: {_short(error)}"
    broken = list(_broken_references(schema))
    yield from broken
    if errors or broken:
        return
    tool = Tool(name="", parameters=schema)
    properties = tool.meaning.get("properties", {})
    parts: dict[tuple[Step, ...], Any] = {(): schema}
    parts |= {("properties", name): part for name, part in properties.items()}
    root = tool.rule
    for where, part in parts.items():
        try:
            root.evolve(schema=part).is_valid({})
        except RecursionError:
            yield where, "refers to itself without end"
            return
    for place, name in enumerate(schema.get("required", ())):
        if not tool.knows(name):
            yield (
                ("required", place),
                f"requires {name!r}, which is not among the properties: {_list(tool.properties)}",
            )
    for name, part in properties.items():
        if isinstance(part, bool):
            said = 'write the schema of the argument, such as {"type": "string"}, or leave it out'
            yield ("properties", name), f"is only `{str(part).lower()}`: {said}"
        elif part.get("default") not in (None, NULL_TEXT):  # which say that there is none
            for error in root.evolve(schema=part).iter_errors(part["default"]):
                yield ("properties", name, "default"), f"does not fit its own schema: {_short(error)}"


def _broken_references(schema: dict[str, Any]) -> Iterator[Found]:
    for where, reference in _references(schema, ()):
        # Anything else would make a validation of untrusted arguments reach out to the network.
        if not reference.startswith("#"):
            yield where, f"{reference!r} leads out of the file; only references that begin with `#`"
            continue
        try:
            referred(reference, schema)
        except LookupError:
            yield where, f"{reference!r} leads nowhere"


def _references(value: Any, where: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], str]]:
    if isinstance(value, dict):
        for key, part in value.items():
            if key in ("$ref", "$dynamicRef") and isinstance(part, str):
                yield (*where, key), part
            yield from _references(part, (*where, key))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _references(part, (*where, place))


def _completed(tool: dict[str, Any]) -> dict[str, Any]:
    definition = openai_definition(tool)
    definition["function"]["parameters"] = definition["function"]["parameters"] or {
        "type": "object",
        "properties": {},
    }
    return definition


def _short(error: ValidationError) -> str:
    if error.absolute_path and error.absolute_path[-1] == "type" and error.validator == "anyOf":
        return f"{error.instance!r} is no type; one of: array, boolean, integer, null, number, object, string"
    return error.message if len(error.message) <= 160 else error.message[:157] + "..."


def _list(names: Any) -> str:
    return ", ".join(names) or "(none)"


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")

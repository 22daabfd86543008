"""The tools as signatures, for models that can't make use of thousands of tokens of JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from distil_dag.core.json_schema import Schema, resolved
from distil_dag.core.schema_options import types_of
from distil_dag.core.tool_call import CLOSE_TAG, NO_CALL_TEXT, OPEN_TAG
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.prompting.prompt_files import render

# A longer enumeration is cut: its first values are a hint, the others a burden.
_LISTED = 12


def instructions(toolset: Toolset, description: str) -> str:
    """A system prompt: the task's description, one line for each tool, and the form of an answer.

    It takes about a quarter of the tokens that the same tools take as JSON Schema.
    """
    lines = "\n".join(signature(tool) for tool in toolset.tools)
    return render(
        "few_shot_teacher",
        description=description.strip(),
        signatures=lines,
        open_tag=OPEN_TAG,
        close_tag=CLOSE_TAG,
        no_call=NO_CALL_TEXT,
    )


def signature(tool: Tool) -> str:
    """One line such as `light_on(room?: string, level: integer): what it does`."""
    arguments = [
        f"{name}{'' if name in tool.required else '?'}: {_kind(schema, tool.meaning)}"
        for name, schema in tool.properties.items()
    ]
    if tool.others:
        arguments.append(f"…: {_any_of(tool.others, tool.meaning)}")
    return " ".join(f"{tool.name}({', '.join(arguments)}): {tool.description}".split())


def _kind(schema: Any, root: Schema) -> str:
    schema = resolved(schema, root)
    values = schema.get("enum")
    if isinstance(values, list):
        more = "|…" if len(values) > _LISTED else ""
        return "|".join(json.dumps(value, ensure_ascii=False) for value in values[:_LISTED]) + more
    return "|".join(types_of(schema)) or _any_of(schema.get("anyOf") or schema.get("oneOf") or (), root)


def _any_of(options: Iterable[Any], root: Schema) -> str:
    return "|".join(dict.fromkeys(_kind(option, root) for option in options)) or "any"

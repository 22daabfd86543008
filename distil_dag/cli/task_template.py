"""The files of a new task folder: one that runs, and says in its comments what can be changed."""

from __future__ import annotations

import inspect
import json
import math
import re
import textwrap
from collections.abc import Mapping

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from distil_dag.adapters.tasks.folder import TASK_FILE
from distil_dag.adapters.tasks.job_description import FILE as JOB_FILE
from distil_dag.core.sources import KINDS, FileSource, TraceSource
from distil_dag.core.task import Settings

_HEAD = """\
# What this task does, from which log, with which models and how much effort.
# Every commented line shows a setting with its default: uncomment it to change it.
name: {name}
description: What the agent does, in a sentence.

# Where the log of your agent is.{note}
{kinds}
traces:
  kind: {kind}
{traces}"""

_DATABASE = """
# The same for a table of a database; ${NAME} is read from the environment when it runs:
# traces:
#   kind: sql
#   url: postgresql+psycopg2://reader:${DB_PASSWORD}@db.example.com/prod
#   table: llm_requests
"""

_COMMENT_COLUMN, _WIDTH, _LONGEST = 34, 100, 120

_README = """\
# {name}

`task.yaml` says where the log is and how much effort to spend, `job_description.json` what the agent does
and which tools it has. A `test.jsonl` of reviewed rows (the form of `traces.jsonl`) becomes the test; a
`labels.jsonl` with rows like `{{"id": "...", "right": true}}` lets the report say how good the judge is.

    distil-dag run .
"""

_ROOMS = (
    "kitchen", "bedroom", "hallway", "office", "garage", "bathroom", "attic", "library", "porch", "nursery",
    "basement", "pantry", "study", "workshop", "den",
)  # fmt: skip


def task_template(name: str) -> dict[str, str]:
    """File name -> text of a new task folder that is valid as it is.

    The sample log passes the gates of a run, so the folder can be tried as it is; a real log belongs in its
    place.
    """
    sample = FileSource(kind="files", path="traces.jsonl")
    return {
        TASK_FILE: settings_file(name, sample, " This one reads the sample beside this file.", _DATABASE),
        JOB_FILE: json.dumps(_job(), indent=2) + "\n",
        "traces.jsonl": "".join(json.dumps(row) + "\n" for row in _traces()),
        "README.md": _README.format(name=name),
    }


def settings_file(name: str, source: TraceSource, note: str = "", more: str = "") -> str:
    """The text of a `task.yaml`: what is set, and every other setting as a comment with its default.

    Args:
        name: name of the task.
        source: where the log is.
        note: what to say of the log.
        more: what stands below it.
    """
    traces = "".join(
        _line(setting, getattr(source, setting), field, commented=not _is_set(source, setting, field))
        for setting, field in type(source).model_fields.items()
        if setting != "kind"
    )
    head = _HEAD.format(name=name, note=note, kind=source.kind, kinds=_kinds(), traces=traces)
    sections = [
        f"# {_said(field)}\n{section}:\n{_lines(type(field.default).model_fields)}"
        for section, field in Settings.model_fields.items()
        if isinstance(field.default, BaseModel)
    ]
    return "\n".join([head + more, *sections])


def _kinds() -> str:
    said = f"Kinds of log: {', '.join(KINDS)}. The guide says what each needs."
    return textwrap.fill(said, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _is_set(source: TraceSource, setting: str, field: FieldInfo) -> bool:
    return field.is_required() or getattr(source, setting) != field.get_default(call_default_factory=True)


def _lines(fields: Mapping[str, FieldInfo]) -> str:
    """Every setting of a section as a commented line: its default, and what it is for."""
    return "".join(
        _line(name, field.get_default(call_default_factory=True), field) for name, field in fields.items()
    )


def _line(name: str, value: object, field: FieldInfo, commented: bool = True) -> str:
    """A setting and what it is for; a long list goes on in the next lines."""
    text = yaml.safe_dump(_plain(value), default_flow_style=True, width=math.inf)
    # `...` ends a document that is a lone scalar.
    text = f"{name}: {text}".removesuffix("...\n").rstrip()
    for width in range(_WIDTH, _WIDTH // 2, -1):
        *before, last = [f"  {'# ' if commented else ''}{line}" for line in _wrapped(text, width)]
        explained = f"{last:<{_COMMENT_COLUMN - 1}} # {field.description}"
        if not before or len(explained) <= _LONGEST:
            break
    return "\n".join([*before, f"{explained}\n"])


def _wrapped(text: str, width: int) -> list[str]:
    """The lines of a setting, broken only between the items of a list."""
    glued = re.sub(r"(?<!,) ", "\0", text)
    lines = textwrap.wrap(
        glued, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\0", " ") for line in lines]


def _said(field: FieldInfo) -> str:
    """What a section is for: as this one of its model, or as its model alone."""
    return field.description or inspect.cleandoc(type(field.default).__doc__ or "")


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value


def _job() -> dict[str, object]:
    place = {"type": "string", "description": "Room, as the user names it"}
    level = {"type": "integer", "minimum": 0, "maximum": 100, "description": "Brightness in percent"}
    return {
        "task_description": "A user speaks to a smart home. "
        "Answer with the one tool call that does what was asked.",
        "tools": [
            _tool("lights_on", "Switch the lights on.", {"room": place}),
            _tool("lights_off", "Switch the lights off.", {"room": place}),
            _tool("dim_lights", "Set how bright the lights are.", {"level": level, "room": place}, ["level"]),
        ],
    }


def _tool(
    name: str, description: str, properties: dict[str, object], required: list[str] | None = None
) -> dict[str, object]:
    parameters: dict[str, object] = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = required
    parameters["additionalProperties"] = False
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


def _traces() -> list[dict[str, object]]:
    rows = []
    for place, room in enumerate(_ROOMS):
        level = 5 * (place + 3)
        rows += [
            _trace(f"turn on the {room} lights", "lights_on", {"room": room}),
            _trace(f"i need light in the {room}", "lights_on", {"room": room}),
            _trace(f"lights off in the {room}", "lights_off", {"room": room}),
            _trace(f"make it dark in the {room}", "lights_off", {"room": room}),
            _trace(f"dim the {room} to {level} percent", "dim_lights", {"level": level, "room": room}),
            _trace(f"all lights to {level + 7} percent", "dim_lights", {"level": level + 7}),
        ]
    return rows


def _trace(words: str, tool: str, arguments: dict[str, object]) -> dict[str, object]:
    call = {"type": "function", "function": {"name": tool, "arguments": json.dumps(arguments)}}
    return {"messages": [{"role": "user", "content": words}, {"role": "assistant", "tool_calls": [call]}]}

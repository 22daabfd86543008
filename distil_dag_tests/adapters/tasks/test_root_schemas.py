"""A tool's arguments may be declared by a reference, by parts that all hold, or by alternatives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.tasks.job_description import read_job_description

ARGS = {"type": "object", "properties": {"bed": {"type": "string"}}, "required": ["bed"]}
NOTE = {"type": "string", "default": None}


def mistakes(folder: Path, parameters: dict[str, Any]) -> list[str]:
    tools = [{"type": "function", "function": {"name": "water", "parameters": parameters}}]
    job = {"task_description": "A garden.", "tools": tools}
    (folder / "job_description.json").write_text(json.dumps(job))
    return [mistake.text for mistake in read_job_description(folder).mistakes]


@pytest.mark.parametrize(
    "parameters",
    [
        {"$ref": "#/$defs/Args", "$defs": {"Args": ARGS}},
        {"oneOf": [ARGS, {"type": "object", "properties": {"all": {"const": True}}, "required": ["all"]}]},
        {"allOf": [ARGS, {"properties": {"minutes": {"type": "integer"}}}], "required": ["minutes"]},
        {"type": "object", "properties": {"note": NOTE}},
        {"type": "object", "properties": {"minutes": {"type": "integer", "default": "null"}}},
        {"type": "object", "additionalProperties": {"type": "integer"}, "required": ["minutes"]},
    ],
)
def test_it_is_taken(tmp_path: Path, parameters: dict[str, Any]) -> None:
    assert mistakes(tmp_path, parameters) == []


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"properties": {"bed": {"type": "string"}}}, "must be of type `object`"),
        ({"allOf": [ARGS], "required": ["beds"]}, "requires 'beds', which is not among the properties: bed"),
        ({"type": "object", "properties": {"bed": {"enum": ["a"], "default": 3}}}, "does not fit its own"),
    ],
)
def test_what_is_wrong_is_still_said(tmp_path: Path, parameters: dict[str, Any], said: str) -> None:
    (found,) = mistakes(tmp_path, parameters)
    assert said in found

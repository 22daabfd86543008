"""Tools as MCP servers and providers list them: no schema is lost, and no key goes unsaid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.tasks.job_description import FILE, JobDescription, read_job_description
from distil_dag.core.toolset import Toolset

CASES = Path(__file__).parents[2] / "public_cases"
SCHEMA = {"type": "object", "properties": {"bed": {"type": "string"}}, "required": ["bed"]}


def read(folder: Path, *tools: dict[str, Any]) -> JobDescription:
    text = json.dumps({"task_description": "Gardening.", "tools": tools}, indent=1)
    (folder / FILE).write_text(text)
    return read_job_description(folder)


def test_schemas_under_other_keys_are_taken(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text((CASES / "08-tools-of-an-mcp-server.json").read_text())
    job = read_job_description(tmp_path)
    assert job.mistakes == []
    tools = Toolset.from_openai(list(job.tools))
    assert tools.names == ("water_bed", "water_bed_2", "water_bed_3", "water_bed_4")
    assert all(
        (list(tool.properties), tool.required) == (["bed", "minutes"], ("bed",)) for tool in tools.tools
    )
    (warning,) = job.warnings
    assert "tools[].annotations" in warning
    assert "tools[].title" in warning
    raw = json.loads((CASES / "08-tools-of-an-mcp-server.json").read_text())["tools"]
    assert Toolset.from_openai(raw).digest == tools.digest


@pytest.mark.parametrize(
    ("tool", "key", "line"),
    [
        ({"name": "f", "schema": SCHEMA}, "schema", 6),
        ({"type": "function", "function": {"name": "f", "arguments": SCHEMA}}, "arguments", 8),
        ({"name": "f", "parameters": SCHEMA, "inputSchema": {"type": "object"}}, "inputSchema", 17),
        ({"function": {"name": "f"}, "properties": {"bed": {}}}, "properties", 8),
    ],
)
def test_a_key_that_would_be_lost_is_refused_with_its_line(
    tmp_path: Path, tool: dict[str, Any], key: str, line: int
) -> None:
    (mistake,) = read(tmp_path, tool).mistakes
    assert mistake.line == line
    assert key in str(mistake)
    assert "parameters" in str(mistake)
    with pytest.raises(ValueError, match=key):
        Toolset.from_openai([tool])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "bed": {"type": "string"}},
        {"type": "object", "propertys": {"bed": {"type": "string"}}},
        {"type": "object", "properties": {"bed": {"type": "string"}}, "require": ["bed"]},
    ],
)
def test_arguments_beside_the_properties_are_refused(tmp_path: Path, schema: dict[str, Any]) -> None:
    (mistake,) = read(tmp_path, {"name": "f", "parameters": schema}).mistakes
    assert "no keyword of JSON Schema; arguments stand under `properties`" in str(mistake)
    noted = {**SCHEMA, "x-order": ["bed"], "examples": [{}], "propertyOrdering": ["bed"]}
    assert read(tmp_path, {"name": "f", "parameters": noted}).mistakes == []


@pytest.mark.parametrize(
    "tool",
    [
        {"toolSpec": {"name": "f", "inputSchema": {"json": SCHEMA}}},
        {"name": "f", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}},
        {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
        {"function": {"name": "f", "parameters": {}, "parametersJsonSchema": SCHEMA}},
    ],
)
def test_neighbours_of_the_public_cases(tmp_path: Path, tool: dict[str, Any]) -> None:
    job = read(tmp_path, tool)
    assert job.mistakes == []
    assert job.tools[0]["function"]["parameters"] == SCHEMA

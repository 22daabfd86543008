"""The files of a small task, and the mistakes that are found in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.tasks.folder import TaskFolderError, read_task

YAML = """\
name: lamp
traces:
  kind: files
  path: log.jsonl
"""
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "dim",
        "description": "Dim the lights.",
        "parameters": {
            "type": "object",
            "properties": {"level": {"type": "integer"}, "room": {"type": "string", "default": "here"}},
            "required": ["level"],
            "additionalProperties": False,
        },
    },
}
JOB: dict[str, Any] = {"task_description": "Answer with the one call that does it.", "tools": [TOOL]}
CALL = '{"name": "dim", "parameters": {"level": 3}}'


def mistakes(folder: Path, overrides: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(TaskFolderError) as caught:
        read_task(folder, overrides)
    for mistake in caught.value.mistakes:
        assert str(mistake) in str(caught.value)
    return [str(mistake) for mistake in caught.value.mistakes]


def only_mistake(folder: Path, overrides: dict[str, str] | None = None) -> str:
    (found,) = mistakes(folder, overrides)
    return found


def job(**changes: Any) -> dict[str, Any]:
    return {"task_description": "x", "tools": [{"name": "dim", **changes}]}

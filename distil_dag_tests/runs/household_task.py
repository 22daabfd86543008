"""A task folder with a small household log, for tests that run the chain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from distil_dag_tests.stages.household_log import TOOLSET, faulty_log


def write_household(folder: Path, settings: Mapping[str, Any], traces: int = 240) -> Path:
    """Writes the task into a new folder, which it returns; a fifth of the log's calls are wrong."""
    folder.mkdir()
    (folder / "task.yaml").write_text(yaml.safe_dump(dict(settings)))
    tools = [
        {"type": "function", "function": tool.model_dump(include={"name", "description", "parameters"})}
        for tool in TOOLSET.tools
    ]
    (folder / "job_description.json").write_text(
        json.dumps({"task_description": TOOLSET.description, "tools": tools})
    )
    rows, _ = faulty_log(traces, 0.2)
    with (folder / "log.jsonl").open("w") as log:
        for trace in rows:
            calls = [
                {"type": "function", "function": {"name": call.name, "arguments": dict(call.arguments)}}
                for call in trace.calls
            ]
            answer = {"role": "assistant", "content": "" if calls else "Of course.", "tool_calls": calls}
            request = {"role": "user", "content": trace.messages[-1].content}
            log.write(json.dumps({"messages": [request, answer]}) + "\n")
    return folder

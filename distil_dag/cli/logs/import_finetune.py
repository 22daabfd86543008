"""`distil-dag import`: a task made of the files by which a hosted model was fine-tuned."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Any

from distil_dag.adapters.tasks.folder import TEST_FILE
from distil_dag.cli.errors import CommandError
from distil_dag.cli.logs.init_from import init_from

_LOG = "traces.jsonl"


def import_openai(file: Path, folder: Path | None, validation: Path | None, json: bool) -> None:
    """Make a task folder of OpenAI's files for supervised or preference fine-tuning.

    Args:
        file: The training file, which becomes the log.
        folder: The new folder; None for one that is named after the file.
        validation: The validation file, which becomes the test.
        json: Print JSON.

    Raises:
        CommandError: A file is of another kind, or no task can be made of it; nothing is written then.
    """
    files = {_LOG: file} | ({TEST_FILE: validation} if validation else {})
    for path in files.values():
        _check(path)
    init_from(str(file), folder, None, None, None, 0, None, json, files)


def _check(path: Path) -> None:
    """Refuse a file whose first row is none for fine-tuning, with what it is instead."""
    if not path.is_file():
        raise CommandError(f"there is no file {path}")
    with path.open("rb") as lines:
        first = next((line for line in lines if line.strip()), b"")
    try:
        row: Any = json_format.loads(first)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise CommandError(f"{path}: the first line is no JSON object; a file for fine-tuning has one a line")
    if "prompt" in row and "completion" in row:
        raise CommandError(f"{path} has prompts and completions, which hold no calls of tools")
    if "messages" not in row and "preferred_output" not in row:
        raise CommandError(
            f"{path}: a row has neither `messages` nor `preferred_output`; `distil-dag init --from` reads "
            "logs of other forms"
        )

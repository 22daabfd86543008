"""`distil-dag init --from`: a task folder made of what a log shows."""

from __future__ import annotations

import json as json_format
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from distil_dag.adapters.logs.survey.address import source_at
from distil_dag.adapters.logs.survey.found_task import FoundTask, found_task
from distil_dag.adapters.logs.survey.survey import Survey, survey_of
from distil_dag.adapters.system.environment import SourceError, masked, with_variables
from distil_dag.adapters.tasks.folder import TASK_FILE
from distil_dag.adapters.tasks.job_description import FILE as JOB_FILE
from distil_dag.cli.errors import CommandError
from distil_dag.cli.logs.savings import Savings, price_of
from distil_dag.cli.logs.survey_table import survey_table
from distil_dag.cli.task_template import settings_file
from distil_dag.core.api_sources import ApiSource
from distil_dag.core.files import whole
from distil_dag.core.sources import FileSource, SqlSource, TraceSource, has_times
from distil_dag.core.task import Task
from distil_dag.resources.deployment import deployment

_ENDINGS = re.compile(r"(\.(jsonl|ndjson|json|csv|tsv|parquet|arrow|feather|db|gz|zst|zstd|bz2|xz))+$")
_PREFIX = "LOG"


def init_from(
    address: str,
    folder: Path | None,
    table: str | None,
    id_column: str | None,
    time_column: str | None,
    records: int,
    price: str | None,
    json: bool,
    files: Mapping[str, Path] | None = None,
) -> None:
    """Write a task folder for a log, and print what the log holds.

    Args:
        address: Where the log is.
        folder: The new folder; None for one that is named after the log.
        table: Table of a database.
        id_column: Column that names a row.
        time_column: Column with the time of a row.
        records: How many records are looked at; 0 for all.
        price: Of the model that answers today, where it is known.
        json: Print JSON.
        files: Name in the folder -> a file to copy there; the log itself may be one.

    Raises:
        CommandError: No task can be made of it; nothing is written then.
    """
    _refuse_existing(folder)
    console = Console(stderr=True)
    savings = Savings(price_of(price))
    try:
        source = source_at(address, table, id_column, time_column)
        folder = folder or Path(_name_of(source))
        _refuse_existing(folder)
        stored, variables = _stored(source)
        with console.status("reading the log …") as status:
            found = found_task(
                source,
                _task_name(folder),
                records,
                lambda done: status.update(f"looking for tools: {done:,}"),
            )
            survey = survey_of(found.task, records, lambda done: status.update(f"reading: {done:,}"))
    except SourceError as error:
        raise CommandError(str(error)) from None
    problem = _problem(address, survey, found)
    if problem:
        if json:
            print(json_format.dumps({"problem": problem, "survey": survey.model_dump(mode="json")}, indent=2))
        else:
            Console().print(survey_table(survey, savings))
        raise CommandError(f"{problem} Nothing is written.", exit_code=1)
    stored = stored.model_copy(
        update={name: getattr(found.task.settings.traces, name) for name in ("id_column", "time_column")}
    )
    _write(folder, found.task, _moved(stored, files or {}), files or {})
    notes = _notes(found, survey, stored, folder)
    place = shlex.quote(str(folder))
    commands = [*(f"export {name}=..." for name in variables), f"distil-dag plan {place}"]
    commands.append(f"distil-dag run {place}")
    if json:
        print(json_format.dumps(_told(found, survey, folder, notes, commands), indent=2, ensure_ascii=False))
        return
    out = Console()
    out.print(survey_table(survey, savings))
    for note in notes:
        out.print(Text(note), soft_wrap=True)
    out.print(Text("Next:"))
    for command in commands:
        out.print(Text(f"  {command}"), soft_wrap=True)


def _refuse_existing(folder: Path | None) -> None:
    if folder is not None and (folder.exists() or folder.is_symlink()):
        raise CommandError(f"{folder} exists already; name a new folder, so that nothing is overwritten")


def _stored(source: TraceSource) -> tuple[TraceSource, tuple[str, ...]]:
    """The source as it may be written down, and the variables that stand for its secrets."""
    if not isinstance(source, (SqlSource, FileSource)):
        return source, ()  # a service's secrets are variables already
    name = "url" if isinstance(source, SqlSource) else "path"
    text, variables = with_variables(getattr(source, name), _PREFIX)
    if masked(text) != text:
        raise CommandError("the address holds a secret in a place that is not known; write ${NAME} for it")
    return source.model_copy(update={name: text}), variables


def _name_of(source: TraceSource) -> str:
    """A name for the folder: that of the table, or of the file."""
    if isinstance(source, SqlSource):
        return source.table.rpartition(".")[2]
    if isinstance(source, ApiSource):
        return f"{source.kind}_log"
    path = getattr(source, "path", "").rstrip("/")
    parts = [part for part in path.split("/") if part and not re.search(r"[*?\[:@]", part)]
    return _ENDINGS.sub("", parts[-1]) if parts else "my_task"


def _task_name(folder: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]", "_", folder.absolute().name)[:64].lstrip("_-")
    return name or "my_task"


def _problem(address: str, survey: Survey, found: FoundTask) -> str:
    where = masked(address)
    if not survey.records:
        return f"{where} holds no record."
    if not survey.traces.kept:
        return f"No record of {where} could be read as an answer of an agent; the table says why."
    if not found.task.tools:
        return (
            f"{where} shows no tool: no request defines one, and no answer calls one. A task needs its "
            "tools; `distil-dag init` writes a folder in which you can define them."
        )
    return ""


def _moved(source: TraceSource, files: Mapping[str, Path]) -> TraceSource:
    """The source with the path of a log that is copied into the folder."""
    names = {str(path.absolute()): name for name, path in files.items()}
    path = getattr(source, "path", "")
    return source.model_copy(update={"path": names[path]}) if path in names else source


def _write(folder: Path, task: Task, source: TraceSource, files: Mapping[str, Path]) -> None:
    _refuse_existing(folder)  # reading takes long enough for another to come
    job = {"task_description": task.description, "tools": list(task.tools)}
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with whole(folder.absolute()) as fresh:
        fresh.mkdir()
        (fresh / TASK_FILE).write_text(settings_file(task.name, source), encoding="utf-8")
        text = json_format.dumps(job, indent=2, ensure_ascii=False) + "\n"
        (fresh / JOB_FILE).write_text(text, encoding="utf-8")
        for name, path in files.items():
            shutil.copyfile(path, fresh / name)
    deployment().register(folder)


def _notes(found: FoundTask, survey: Survey, source: TraceSource, folder: Path) -> list[str]:
    job = folder / JOB_FILE
    notes = [f"wrote {folder / TASK_FILE} and {job}"]
    if found.inferred:
        notes.append(f"REVIEW {job}: no request defines tools, so they are inferred from the calls.")
    changed = [f"{name} {count}" for name, count in survey.tool_versions.items() if count > 1]
    if changed:
        notes.append(f"Definitions changed over time, the newest is taken: {', '.join(changed)} versions.")
    if not found.described:
        notes.append(f"FILL IN task_description in {job}: no system prompt says the same throughout.")
    if found.undefined:
        listed = ", ".join(f"{name} ({count})" for name, count in list(found.undefined.items())[:10])
        notes.append(f"Called, but defined by no request, and left out: {listed}")
    if found.broken:
        notes.append(f"Defined in a form that is no valid one, and left out: {', '.join(found.broken[:10])}")
    if not has_times(source):
        notes.append("No column has the times of all records: runs take the whole log, and no window of it.")
    return notes


def _told(
    found: FoundTask, survey: Survey, folder: Path, notes: list[str], commands: list[str]
) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "task": found.task.name,
        "tools_inferred": found.inferred,
        "description_found": found.described,
        "undefined_calls": found.undefined,
        "invalid_definitions": list(found.broken),
        "survey": survey.model_dump(mode="json"),
        "notes": notes,
        "next": commands,
    }

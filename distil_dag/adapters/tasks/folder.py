"""A task folder, read and checked: every mistake at once, with its file and line."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from distil_dag.adapters.system.environment import masked
from distil_dag.adapters.tasks import distil_labs
from distil_dag.adapters.tasks.job_description import read_job_description
from distil_dag.adapters.tasks.located_yaml import (
    MAX_YAML_BYTES,
    Mistake,
    Step,
    UnreadableText,
    located_json,
    parse_yaml,
    read_text,
)
from distil_dag.adapters.tasks.overrides import override
from distil_dag.adapters.tasks.secret_mistakes import ADVICE, secret_mistakes
from distil_dag.adapters.tasks.settings_errors import dotted, explain, path_of
from distil_dag.core.case import HeldOut
from distil_dag.core.settings import ModelSpec, StudentSpec
from distil_dag.core.sources import FileSource, SqlSource, TraceSource
from distil_dag.core.task import Settings, Task
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.case_files import read_cases

TASK_FILE = "task.yaml"
TEST_FILE = "test.jsonl"
LABELS_FILE = "labels.jsonl"

_SQLITE = re.compile(r"^(sqlite(?:\+\w+)?:///)(?!/|\$\{|:memory:)([^?]+)(.*)$", re.DOTALL)
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")


class TaskFolderError(ValueError):
    """A folder that is no valid task; `mistakes` holds all of them, in the order of files and lines."""

    def __init__(self, folder: Path, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes), key=_reading_order))
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        lines = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        super().__init__(f"{folder} cannot be run, {count}:\n{lines}")


def read_task(folder: Path, overrides: Mapping[str, str] | None = None) -> Task:
    """The task of a folder (`task.yaml`, or the `config.yaml` of a Distil Labs folder).

    Relative paths of trace files, SQLite databases and models start at the folder. `${NAME}` is left for the
    run to read, so that no secret is frozen with the task.

    Args:
        folder: the task's folder.
        overrides: dotted path -> YAML text (`training.epochs` -> `1`); it wins over the file.

    Raises:
        TaskFolderError: holds every mistake of every file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TaskFolderError(folder, [Mistake(str(folder), 0, "is not a folder")])
    settings, mistakes, warnings = _read_settings(folder, overrides or {})
    job = read_job_description(folder)
    mistakes += job.mistakes
    test: tuple[HeldOut, ...] | None = None
    if (folder / TEST_FILE).exists():
        toolset = Toolset.from_openai(list(job.tools), job.description) if not job.mistakes else None
        test, found = _read_test(folder / TEST_FILE, toolset)
        mistakes += found
    elif (folder / "test.csv").exists():
        mistakes.append(
            Mistake("test.csv", 0, f"CSV is not read; write the rows as JSON lines in {TEST_FILE}")
        )
    labels: dict[str, bool] | None = None
    if (folder / LABELS_FILE).exists():
        labels, found = _read_labels(folder / LABELS_FILE)
        mistakes += found
    if mistakes or settings is None:
        raise TaskFolderError(folder, mistakes)
    return Task(
        settings=_located(settings, folder.absolute()),
        description=job.description,
        tools=job.tools,
        test=test,
        labels=labels,
        warnings=(*warnings, *job.warnings),
        folder=str(folder.absolute()),
    )


def task_name(folder: Path) -> str:
    """The name of a folder's task, from its settings alone; that of the folder where they are broken."""
    try:
        settings, _, _ = _read_settings(folder, {})
    except OSError:
        settings = None
    return settings.name if settings else folder.absolute().name


def _reading_order(mistake: Mistake) -> tuple[bool, int, str, int, str]:
    """The settings first, then what was given on the command line, then the other files."""
    files = (TASK_FILE, distil_labs.FILE)
    place = files.index(mistake.file) if mistake.file in files else len(files)
    return (
        place == len(files),
        place,
        "" if mistake.file.startswith("override") else mistake.file,
        mistake.line,
        str(mistake),
    )


def _read_settings(
    folder: Path, overrides: Mapping[str, str]
) -> tuple[Settings | None, list[Mistake], tuple[str, ...]]:
    """Settings, or the mistakes that leave none, and what is to be said about the file."""
    file = TASK_FILE if (folder / TASK_FILE).exists() else distil_labs.FILE
    if not (folder / file).exists():
        return None, [Mistake(TASK_FILE, 0, f"is missing; `distil-dag init {folder}` writes one")], ()
    try:
        marked = parse_yaml(read_text(folder / file, MAX_YAML_BYTES))
    except UnreadableText as error:
        return None, [Mistake(file, error.line, str(error))], ()
    mistakes = [
        Mistake(file, line, f"{key}: stands here twice; keep one") for line, key in marked.duplicate_keys()
    ]
    if file == TASK_FILE:
        imported = distil_labs.Imported(settings=marked.value if marked.value is not None else {})
        if not isinstance(imported.settings, dict):
            mistakes.append(Mistake(file, 1, "must hold `key: value` lines such as `name: my_task`"))
            return None, mistakes, ()
    else:
        imported = distil_labs.import_config(folder, marked)
        mistakes += [
            Mistake(file, marked.line(where), f"{dotted(where)}: {said}" if where else said)
            for where, said in imported.mistakes
        ]
    # A section whose lines are all commented out reads as null: it means the defaults.
    raw = {key: value for key, value in imported.settings.items() if value is not None}
    named, found = override(raw, overrides)
    mistakes += found
    if file == distil_labs.FILE and mistakes:
        return None, mistakes, ()

    def mistake(path: tuple[Step, ...], said: str) -> Mistake:
        given = max((given for given in named if path[: len(given)] == given), key=len, default=None)
        if given is not None:
            return Mistake(f"override {named[given]}", 0, f"{dotted(path)}: {said}")
        theirs = imported.origin.get(path, path)
        return Mistake(file, marked.line(theirs), f"{dotted(theirs)}: {said}")

    mistakes += [mistake(path, said) for path, said in _conflicts(raw)]
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        mistakes += [mistake(path_of(detail), explain(detail)) for detail in error.errors()]
        return None, mistakes, ()
    return settings, mistakes, tuple(imported.warnings)


def _conflicts(raw: Mapping[str, Any]) -> list[tuple[tuple[Step, ...], str]]:
    """Settings that are each allowed and do not go together; shapes are checked elsewhere."""
    found: list[tuple[tuple[Step, ...], str]] = []
    found += [(("traces", *path), said) for path, said in secret_mistakes(raw.get("traces"))]
    judge = raw.get("judge")
    committee = judge.get("committee") if isinstance(judge, dict) else None
    models: list[tuple[tuple[Step, ...], Any]] = [(("teacher",), raw.get("teacher"))]
    if isinstance(committee, list):
        models += [(("judge", "committee", place), model) for place, model in enumerate(committee)]
    models += [(("judge", "arbiter"), judge.get("arbiter"))] if isinstance(judge, dict) else []
    evaluation = raw.get("evaluation")
    models += [(("evaluation", "vllm"), evaluation.get("vllm"))] if isinstance(evaluation, dict) else []
    needs = {"attached": ("base_url", "model"), "managed": ("model",), "gguf": ("model",)}
    for path, model in models:
        if not isinstance(model, dict):
            continue
        found += [((*path, name), said) for name, said in _secrets(model)]
        if isinstance(mode := model.get("mode"), str):
            missing = [name for name in needs.get(mode, ()) if not model.get(name)]
            found += [((*path, name), f"is missing: mode `{mode}` needs it") for name in missing]
    export = raw.get("export")
    if isinstance(export, dict):
        made = export.get("quantizations", Settings.model_fields["export"].default.quantizations)
        primary = export.get("primary", Settings.model_fields["export"].default.primary)
        if isinstance(made, (list, tuple)) and primary not in (*made, "f16"):
            allowed = ", ".join(map(str, (*made, "f16")))
            found.append((("export", "primary"), f"{primary!r} is not among the files made: {allowed}"))
    return found


def _secrets(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Settings of a model that hold a secret: they would be frozen with the run, and go into GGUF files."""
    address, key = model.get("base_url"), model.get("api_key_env")
    listed = address if isinstance(address, (list, tuple)) else [address]
    if any(isinstance(one, str) and masked(one) != one for one in listed):
        yield "base_url", f"holds a secret, which would be kept with the run; {ADVICE}"
    if isinstance(key, str) and key and not key.isidentifier():
        yield "api_key_env", "must be the name of the variable that holds the key, not the key itself"
    for name in ("executable", "arguments"):
        given = model.get(name)
        words = " ".join(map(str, given)) if isinstance(given, (list, tuple)) else str(given)
        if masked(words) != words:
            advice = "set a variable of the environment, such as HF_TOKEN or VLLM_API_KEY"
            yield name, f"gives a secret, which would be kept with the run; {advice}"


def _read_test(path: Path, toolset: Toolset | None) -> tuple[tuple[HeldOut, ...], list[Mistake]]:
    """The frozen test; without valid tools only its rows' form is checked."""
    try:
        lines = read_text(path).split("\n")
    except UnreadableText as error:
        return (), [Mistake(TEST_FILE, error.line, str(error))]
    cases, errors = read_cases(lines, toolset)
    if not cases and not errors:
        return (), [Mistake(TEST_FILE, 0, "holds no case; delete the file to draw the test from the log")]
    held = tuple(HeldOut.model_validate(dict(case)) for case in cases)
    return held, [Mistake(TEST_FILE, line, said) for line, said in errors]


def _read_labels(path: Path) -> tuple[dict[str, bool], list[Mistake]]:
    labels: dict[str, bool] = {}
    mistakes: list[Mistake] = []
    try:
        lines = read_text(path).split("\n")
    except UnreadableText as error:
        return {}, [Mistake(LABELS_FILE, error.line, str(error))]
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = located_json(line)
        except UnreadableText as error:
            mistakes.append(Mistake(LABELS_FILE, number, str(error)))
            continue
        row = row if isinstance(row, dict) else {}
        name, right = row.get("id"), row.get("right")
        if not isinstance(name, (str, int)) or isinstance(name, bool) or not isinstance(right, bool):
            said = 'must be {"id": "<trace id>", "right": true or false}'
            mistakes.append(Mistake(LABELS_FILE, number, said))
        elif labels.setdefault(str(name), right) != right:
            mistakes.append(Mistake(LABELS_FILE, number, f"contradicts an earlier label of {str(name)!r}"))
    return labels, mistakes


def _located(settings: Settings, folder: Path) -> Settings:
    """The settings with relative paths made absolute."""
    judge = settings.judge
    committee = tuple(_located_model(model, folder) for model in judge.committee)
    arbiter = _located_model(judge.arbiter, folder) if judge.arbiter else None
    return settings.model_copy(
        update={
            "traces": _located_source(settings.traces, folder),
            "teacher": _located_model(settings.teacher, folder),
            "judge": judge.model_copy(update={"committee": committee, "arbiter": arbiter}),
            "student": _located_student(settings.student, folder),
        }
    )


def _located_source(source: TraceSource, folder: Path) -> TraceSource:
    if isinstance(source, FileSource):
        return source.model_copy(update={"path": _absolute(source.path, folder)})
    if isinstance(source, SqlSource) and (parts := _SQLITE.match(source.url)):
        return source.model_copy(update={"url": f"{parts[1]}{folder / parts[2]}{parts[3]}"})
    return source


def _located_model(model: ModelSpec, folder: Path) -> ModelSpec:
    if model.mode != "gguf" or model.model is None:
        return model
    return model.model_copy(update={"model": _absolute(model.model, folder)})


def _located_student(student: StudentSpec, folder: Path) -> StudentSpec:
    """`owner/name` is a Hub id unless the folder has it."""
    local = student.model.startswith((".", "~")) or (folder / student.model).is_dir()
    if student.model == "embedded" or not local:
        return student
    return student.model_copy(update={"model": _absolute(student.model, folder)})


def _absolute(path: str, folder: Path) -> str:
    if path.startswith("${") or _SCHEME.match(path):
        return path
    # In a glob, the folder's own name is meant as it stands.
    start = glob.escape(str(folder)) if glob.has_magic(path) else str(folder)
    return str(Path(start) / Path(path).expanduser())

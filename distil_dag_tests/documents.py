"""What a document names, held against what there is: paths, links, commands, settings.

Only what is marked as code is looked at, and link targets. The rules:

- A *path* is a code span without spaces that ends in `/` or in the ending of a source file, or that begins
  with a folder of the repository or of the package. It starts at the repository, at the package
  (`core/leaks.py`) or at the document's own folder, and may hold `*`. A bare name may be that of any file.
- Names in `GENERATED` are of files that users write or runs make.
- A *command* holds `distil-dag` or begins with `make`: a code span, or a line of a block without language.
- A *setting* is a dotted name whose first part is a section of `task.yaml`, a `--set` of a command, a YAML
  block, and a code span such as `judge: {kind: rubric}`.
- A block of Python has to compile, and its imports have to find what they name.
"""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel, ValidationError
from typer.main import get_command

from distil_dag.cli.app import app
from distil_dag.core.task import Settings
from distil_dag_tests.paths import ROOT

# First parts of paths and bare names that no checkout holds.
GENERATED = frozenset(
    {
        ".distil_dag", ".venv", ".venv-vllm", ".venv-servers", "STORE", "HOME", ".env",
        "task.yaml", "job_description.json", "test.jsonl", "labels.jsonl", "traces.jsonl", "to_label.jsonl",
        "config.yaml", "task.json", "report.json", "report.html", "lineage.json", "server.json",
        "evaluation.json",
    }
)  # fmt: skip
_ENDINGS = (".py", ".md", ".toml", ".yaml", ".yml", ".json", ".jsonl", ".jinja", ".txt", ".png", ".cmake")
_PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?")
_SETTING = re.compile(r"[a-z_]+(\.[a-z_0-9]+)+")
_VARIABLE = re.compile(r"DISTIL_DAG_\w+")
# Endings of the files that read variables of the environment.
_READING = {".py", ".yaml"}
# The sign that a command goes on in the next line.
_GOES_ON = re.compile(r"\\\n\s*")


def documents(root: Path = ROOT) -> list[Path]:
    """README, CONTRIBUTING, findings, all of docs/, and the README of each example."""
    found = [root / "README.md", root / "CONTRIBUTING.md", root / "findings" / "README.md"]
    return [*found, *sorted((root / "docs").rglob("*.md")), *sorted((root / "examples").glob("*/README.md"))]


def problems(document: Path) -> list[str]:
    """Every claim of a Markdown file that does not hold, with its line."""
    found = []
    for line, kind, text in _claims(document.read_text(encoding="utf-8")):
        if check := _CHECKS.get(kind):
            found += [f"{document.name}:{line}: {said}" for said in check(text, document)]
    return found


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a document's headings; of equal ones each has a number."""
    found: set[str] = set()
    tokens = _parsed(text)
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            words = "".join(child.content for child in tokens[place + 1].children or [])
            slug = re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")
            number = next(n for n in range(len(tokens)) if (f"{slug}-{n}" if n else slug) not in found)
            found.add(f"{slug}-{number}" if number else slug)
    return found


def _parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def _claims(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, kind of claim, and its text."""
    line = 1
    for token in _parsed(text):
        line = token.map[0] + 1 if token.map else line
        if token.type == "fence":
            yield line, token.info or "sh", token.content
        for child in token.children or []:
            if child.type == "code_inline":
                yield line, "span", child.content
            elif target := child.attrGet("href") or child.attrGet("src"):
                yield line, "link", str(target)


def _span(text: str, document: Path) -> Iterator[str]:
    yield from _variables(text)
    if "distil-dag" in text.split() or text.startswith("make "):
        yield from _command(text)
    elif _is_path(text):
        if not _exists(text, document):
            yield f"`{text}` does not exist"
    elif _SETTING.fullmatch(text) and text.split(".")[0] in Settings.model_fields:
        yield from _setting(text)
    elif text.split(":")[0] in Settings.model_fields and ":" in text:
        yield from _settings(text)


def _shell(text: str, document: Path) -> Iterator[str]:
    yield from _variables(text)
    for line in _GOES_ON.sub(" ", text).splitlines():
        yield from _command(line, whole=True)


def _yaml(text: str, document: Path) -> Iterator[str]:
    yield from _variables(text)
    yield from _settings(text)


def _python(text: str, document: Path) -> Iterator[str]:
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError as error:
        yield f"no Python: {error}"
        return
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            lacking = [name.name for name in node.names if not hasattr(module, name.name)]
            yield from (f"{node.module} has no {name}" for name in lacking)


def _link(target: str, document: Path) -> Iterator[str]:
    if "://" in target or target.startswith("mailto:"):
        return
    path, _, anchor = target.partition("#")
    file = (document.parent / path).resolve() if path else document
    if not file.exists():
        yield f"the link to {target} leads nowhere"
    elif anchor and (file.is_dir() or anchor not in anchors(file.read_text(encoding="utf-8"))):
        yield f"the link to {target}: no heading has that anchor"


# By what is marked, or by the language of a block; blocks of other languages claim nothing.
_CHECKS = {"span": _span, "link": _link, "sh": _shell, "yaml": _yaml, "python": _python}


def _is_path(text: str) -> bool:
    if not _PATH.fullmatch(text):
        return False
    first = text.split("/")[0]
    inside = "/" in text and ((ROOT / first).is_dir() or (ROOT / "distil_dag" / first).is_dir())
    return inside or text.endswith(("/", *_ENDINGS))


def _exists(text: str, document: Path) -> bool:
    if text.split("/")[0] in GENERATED:
        return True
    bases = (ROOT, ROOT / "distil_dag", document.parent)
    if "*" in text:
        return any(any(base.glob(text)) for base in bases)
    if any((base / text).exists() for base in bases):
        return True
    return "/" not in text and text in _file_names()


@cache
def _file_names() -> frozenset[str]:
    """Names of all files of the checkout, without those of environments and caches."""
    folders = ("distil_dag", "distil_dag_tests", "benchmarks", "docker", "docs", "examples", "cmake", ".ci")
    return frozenset(file.name for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file())


def _command(line: str, whole: bool = False) -> Iterator[str]:
    """Problems of a line; `whole` where it is to be typed as it stands, and no mere name of a command."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # words of a drawing, or of a program's output
        words = line.split()
    if "distil-dag" in words:
        arguments = words[words.index("distil-dag") + 1 :]
        yield from _distil_dag(arguments) if whole or arguments[1:] else _named(arguments)
    elif words and words[0] == "make":
        targets = {word for word in words[1:] if "=" not in word and not word.startswith("-")}
        yield from (f"`make {name}` is no target of the Makefile" for name in sorted(targets - _targets()))
    else:
        for word in words:
            if "/" in word and _is_path(word) and not _exists(word, ROOT / "README.md"):
                yield f"`{word}` does not exist"


def _named(arguments: list[str]) -> Iterator[str]:
    if arguments and arguments[0] not in _commands():
        yield f"`distil-dag {arguments[0]}` is no command"


def _distil_dag(arguments: list[str]) -> Iterator[str]:
    """Problems of a command line, which is read as the command itself reads it, and not run."""
    if not arguments or arguments[0] not in _commands():
        yield f"`distil-dag {shlex.join(arguments)}` is no command"
        return
    try:
        said = _commands()[arguments[0]].make_context(arguments[0], arguments[1:]).params
    except Exception as error:  # typer's own copy of click's errors, which it does not export
        yield f"`distil-dag {shlex.join(arguments)}`: {error}"
        return
    for setting in said.get("set") or ():
        yield from _setting(setting.partition("=")[0])


@cache
def _commands() -> dict[str, Any]:
    return dict(get_command(app).commands)  # type: ignore[attr-defined]


@cache
def _targets() -> frozenset[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z][\w-]*):", text, re.MULTILINE))


def _setting(name: str) -> Iterator[str]:
    models: list[type[BaseModel]] = [Settings]
    for part in name.split("."):
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        if not fields:
            yield f"`{name}` is no setting of task.yaml"
            return
        models = [model for field in fields for model in _models(field.annotation)]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _settings(text: str) -> Iterator[str]:
    """Problems of a part of a `task.yaml`, whose other parts are filled in."""
    needed = {"name": "task", "traces": {"kind": "files", "path": "traces.jsonl"}}
    priced = {"teacher": {"price": {"per_hour": 1}}} if "budget" in text else {}
    try:
        said = yaml.safe_load(text)
        Settings.model_validate({**needed, **priced, **said})
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        yield f"no part of a task.yaml: {text!r}: {error}"


@cache
def _read_variables() -> frozenset[str]:
    """The variables of the environment that the project reads."""
    folders = ("distil_dag", "benchmarks", "examples", "docker")
    sources = {file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in _READING}
    texts = [
        file.read_text(encoding="utf-8") for file in {ROOT / "Makefile", ROOT / ".env.example", *sources}
    ]
    return frozenset(_VARIABLE.findall("\n".join(texts)))


def _variables(text: str) -> Iterator[str]:
    unknown = set(_VARIABLE.findall(text)) - _read_variables()
    yield from (f"`{name}` is read by nothing" for name in sorted(unknown))

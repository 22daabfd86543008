"""`distil-dag doctor`: what a run needs, whether it is here, and how to get it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json as json_format
import os
import platform
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape

from distil_dag.adapters.llamacpp.embedded_weights import embedded_gguf
from distil_dag.adapters.tasks.folder import TaskFolderError
from distil_dag.core.task import Task
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.resources.tasks import TasksResource

_GIB = 1024**3
# A run of the demo keeps about 2 GiB: a checkpoint, three GGUF files, the trainer's checkpoints.
_DISK = 5 * _GIB
# Full fine-tuning of a 135M-parameter model peaks at about 4 GiB.
_MEMORY = 6 * _GIB
_UI_PORT = 3000

_EXTRAS = {
    "train": ("fine-tune a student", ("torch", "transformers", "trl", "peft", "accelerate", "datasets")),
    "gguf": ("export and run GGUF files, and the embedded teacher", ("llama_cpp", "gguf")),
    "report": ("draw the report's plots", ("matplotlib",)),
}
_OPTIONAL = {
    "demo": ("build the log of examples/smart_home", ("hassil", "home_assistant_intents")),
    "ui": ("open Dagster's web page", ("dagster_webserver",)),
}


@dataclass(frozen=True)
class Check:
    """One requirement and what was found.

    Attributes:
        name: What was checked.
        state: `missing` prevents a run, `warning` may.
        found: What is here.
        fix: How to get what is missing.
    """

    name: str
    state: Literal["ok", "warning", "missing"]
    found: str
    fix: str = ""


def report(json: bool) -> int:
    """Print all checks.

    Args:
        json: Print one JSON object instead of text.

    Returns:
        The exit code: 0 when a run can start, else 1.
    """
    checks = list(examine(deployment()))
    ready = all(check.state != "missing" for check in checks)
    if json:
        print(json_format.dumps({"ready": ready, "checks": [asdict(c) for c in checks]}, indent=2))
        return 0 if ready else 1
    console = Console()
    marks = {
        "ok": "[green]ok[/green]     ",
        "warning": "[yellow]warning[/yellow]",
        "missing": "[red]missing[/red]",
    }
    for check in checks:
        console.print(
            f"{marks[check.state]} {check.name}: {escape(check.found)}", highlight=False, soft_wrap=True
        )
        if check.fix:
            console.print(f"        {escape(check.fix)}", highlight=False, soft_wrap=True)
    console.print("ready for `distil-dag run`" if ready else "not ready: get what is missing first")
    return 0 if ready else 1


def examine(places: Deployment) -> Iterator[Check]:
    """Every check, in the order in which a run would meet them."""
    yield _python()
    yield from (_extra(name, *what, "missing") for name, what in _EXTRAS.items())
    yield from (_extra(name, *what, "warning") for name, what in _OPTIONAL.items())
    yield _compiler()
    yield _converter()
    yield _weights()
    yield _writable("home", places.home)
    yield _writable("DAGSTER_HOME", places.dagster_home)
    yield _disk(places.home)
    yield _memory()
    yield _port()
    yield from _tasks(places)


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("Python", "ok", found)
    return Check(
        "Python", "missing", found, "Install Python 3.11, 3.12 or 3.13 and make the environment with it."
    )


def _extra(
    name: str, purpose: str, modules: tuple[str, ...], otherwise: Literal["missing", "warning"]
) -> Check:
    lacking = [module for module in modules if importlib.util.find_spec(module) is None]
    if lacking:
        fix = f"To {purpose}: pip install 'distil_dag[{name}]'"
        return Check(f"extra `{name}`", otherwise, f"no {', '.join(lacking)}", fix)
    versions = ", ".join(f"{module} {_version(module)}" for module in modules)
    return Check(f"extra `{name}`", "ok", versions)


def _version(module: str) -> str:
    names = importlib.metadata.packages_distributions().get(module, [])
    return importlib.metadata.version(names[0]) if names else "installed"


def _compiler() -> Check:
    found = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
    if found:
        return Check("C++ compiler", "ok", found)
    if importlib.util.find_spec("llama_cpp"):
        return Check("C++ compiler", "ok", "none, and llama-cpp-python is already compiled")
    fix = "llama-cpp-python is compiled on installation: apt install g++, or xcode-select --install"
    return Check("C++ compiler", "missing", "none", fix)


def _converter() -> Check:
    from distil_dag.adapters.llamacpp import gguf_tools

    return _found("GGUF converter", gguf_tools.find_converter)


def _weights() -> Check:
    return _found("embedded model", embedded_gguf, "warning")


def _found(
    name: str, find: Callable[[], Path], otherwise: Literal["missing", "warning"] = "missing"
) -> Check:
    try:
        return Check(name, "ok", str(find()))
    except (FileNotFoundError, ImportError) as error:
        return Check(name, otherwise, "not here", str(error))


def _writable(name: str, folder: Path) -> Check:
    standing = next(path for path in (folder, *folder.parents) if path.exists())
    if standing.is_dir() and os.access(standing, os.W_OK):
        return Check(name, "ok", str(folder))
    variable = "DAGSTER_HOME" if name == "DAGSTER_HOME" else "DISTIL_DAG_HOME"
    return Check(name, "missing", f"{folder} can't be written", f"Set {variable} to a folder of yours.")


def _disk(folder: Path) -> Check:
    standing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(standing).free
    if free >= _DISK:
        return Check("disk", "ok", f"{free / _GIB:.0f} GiB free")
    fix = "Free some, or set DISTIL_DAG_HOME to a larger disk."
    return Check("disk", "warning", f"{free / _GIB:.1f} GiB free; a run may need {_DISK / _GIB:.0f}", fix)


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if total >= _MEMORY:
        return Check("memory", "ok", f"{total / _GIB:.0f} GiB, {os.cpu_count()} cores")
    fix = "`training.method: lora` and a smaller `training.batch_size` need less."
    return Check("memory", "warning", f"{total / _GIB:.1f} GiB; training may need {_MEMORY / _GIB:.0f}", fix)


def _port() -> Check:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _UI_PORT))
        except OSError:
            return Check("port for the UI", "warning", f"{_UI_PORT} is taken", "distil-dag ui --port 3001")
    return Check("port for the UI", "ok", str(_UI_PORT))


def _tasks(places: Deployment) -> Iterator[Check]:
    tasks = TasksResource(folders=[str(folder) for folder in places.task_folders])
    names = tasks.names()
    if not names:
        yield Check("tasks", "warning", "none known", "distil-dag init my_task; distil-dag run my_task")
    for name in names:
        try:
            task = tasks.task(name)
            yield Check(f"task {name}", "ok", task.folder)
            yield from _servers(task)
            yield from _student(task)
        except TaskFolderError as error:
            yield Check(f"task {name}", "warning", "has mistakes", str(error))


def _student(task: Task) -> Iterator[Check]:
    """Check that a student on this disk can be trained, and its template takes the usual conversations."""
    from distil_dag.adapters.checkpoints.student_template import template_warnings
    from distil_dag.stages.student.template_check import usual_conversations

    if not Path(task.settings.student.model).expanduser().exists():
        return
    name = f"student of {task.name}"
    try:
        warnings = template_warnings(task, usual_conversations())
    except (ValueError, ImportError) as error:
        yield Check(name, "missing", "its chat template can't be used", str(error))
    else:
        found = "; ".join(warnings) or "its chat template takes the usual conversations"
        yield Check(name, "warning" if warnings else "ok", found)


def _servers(task: Task) -> Iterator[Check]:
    """Check the command of each managed model, which need not be installed with this project."""
    serving = task.settings.evaluation.vllm
    commands = {model.executable for model in task.settings.models if model.mode == "managed"}
    for executable in sorted(commands | ({serving.executable} if serving else set())):
        name = f"model server of {task.name}"
        words = shlex.split(executable)
        found = shutil.which(words[0]) if words else None
        if found:
            yield Check(name, "ok", " ".join([found, *words[1:]]))
        else:
            fix = (
                "Install vLLM in an environment of its own and set `teacher.executable` (or "
                "`evaluation.vllm.executable`), for example to `/opt/vllm/bin/vllm serve`; a teacher may "
                "also be a server that runs already: `mode: attached`."
            )
            yield Check(name, "warning", f"`{executable}` is not here", fix)

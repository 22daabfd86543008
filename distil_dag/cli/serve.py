"""`distil-dag serve`: from what a user names to a server that listens."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distil_dag.adapters.llamacpp.gguf_tools import read_metadata
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.serving.served_tasks import note
from distil_dag.cli.errors import CommandError
from distil_dag.cli.listening import listen, need
from distil_dag.cli.run_files import frozen_task, student_file
from distil_dag.cli.task_folders import find_task, parse_overrides
from distil_dag.core.serving import ServingSettings
from distil_dag.core.settings import ModelSpec
from distil_dag.core.task import Task
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.resources.tasks import TasksResource
from distil_dag.runs.releasing.standings import champion

if TYPE_CHECKING:
    from distil_dag.entrypoints.serve.app import Gateway
    from distil_dag.entrypoints.serve.loaded import ServedStudent
    from distil_dag.entrypoints.serve.served import Served
    from distil_dag.stages.serving.policy import Policy

TOKENS = "DISTIL_DAG_TOKENS"


def serve_students(
    subjects: Sequence[str],
    host: str,
    port: int,
    teacher_url: str | None,
    teacher_model: str | None,
    shadow: str | None,
    canary: float,
    log: str | None,
    settings: Sequence[str],
) -> None:
    """Serve until the process is ended.

    Args:
        subjects: Tasks, keys of runs and GGUF files.
        host: The address to listen on.
        port: The port.
        teacher_url: The service behind all of them; None for that of each task.
        teacher_model: Its name of the model; None to leave the request's.
        shadow: A run's key or a file that answers beside; None for none.
        canary: Share of conversations that are its own.
        log: Where exchanges are kept; None for a file in the installation's home.
        settings: Overrides of settings, as `serving.max_tokens=64`.

    Raises:
        CommandError: It can't be served, and why.
    """
    need(("fastapi", "httpx2", "prometheus_client", "uvicorn"), "serving", "distil_dag[serve,gguf]")
    from distil_dag.entrypoints.pages import LOOPBACK
    from distil_dag.entrypoints.serve.server import serve

    tokens = os.environ.get(TOKENS, "").replace(",", " ").split()
    if not tokens and host not in LOOPBACK:
        raise CommandError(
            f"{host} can be reached by others: set {TOKENS} to the tokens of those who may ask, separated by "
            "commas, or listen on 127.0.0.1"
        )
    if canary and shadow is None:
        raise CommandError("--canary is the share of a student that --shadow names")
    if shadow is not None and len(subjects) > 1:
        raise CommandError("--shadow goes with one task: serve the others elsewhere")
    places = deployment()
    store = RunStore(places.store)
    found = [_subject(text, places, store, settings) for text in subjects]
    teacher = _asked_for(teacher_url, teacher_model)
    if tokens and any(one.settings.forward_authorization for one in found):
        raise CommandError(
            f"serving.forward_authorization gives the teacher the tokens of {TOKENS}: set one of both"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # It would tell of each request to the teacher.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    listening = listen(host, port)
    try:
        beside = (student_file(shadow, store), canary) if shadow else None
        served = [_served(one, teacher or one.teacher, beside, places.home) for one in found]
        address = _absolute(log) if log else str(places.home / "exchanges.sqlite")
        gateway = _logged(served, address, tokens)
    except (BlockingIOError, FileNotFoundError, ValueError) as error:
        raise CommandError(str(error)) from None
    for one in served:
        note(places.home, one.name, address)
        behind = f"beside {one.teacher.hosts}" if one.teacher else "alone: no teacher is set"
        print(f"{one.name}: {one.current.student.identity}, {behind}", flush=True)
    url = f"http://{host}:{listening.getsockname()[1]}"
    print(f"OpenAI's API: {url}/v1, how far it is trusted: {url}/ (Ctrl-C ends it)", flush=True)
    serve(gateway, listening)


def _absolute(log: str) -> str:
    """The address as it is right from any folder."""
    return log if "://" in log or "${" in log else str(Path(log).expanduser().absolute())


@dataclass(frozen=True)
class _Subject:
    name: str
    source: Callable[[], Path]
    settings: ServingSettings
    teacher: ModelSpec | None


def _subject(text: str, places: Deployment, store: RunStore, settings: Sequence[str]) -> _Subject:
    """What a user means by a name, a key or a path."""
    overrides = parse_overrides(settings)
    if (path := Path(text)).is_file():
        try:
            carried = read_metadata(path)
        except (ValueError, LookupError, OSError):
            raise CommandError(f"{path} is no GGUF file that can be read") from None
        name = str(carried.get("distil_dag.task") or path.stem)
        return _described(name, lambda: path, _known(name, places, overrides))
    if store.has(text):
        name = text.partition(".")[0]
        known = _known(name, places, overrides) or frozen_task(text, store)
        return _described(text, lambda: student_file(text, store), known)
    task = find_task(text, places, overrides)
    return _described(task.name, lambda: student_file(champion(store, task.name), store), task)


def _known(name: str, places: Deployment, overrides: dict[str, str]) -> Task | None:
    tasks = TasksResource(folders=[str(folder) for folder in places.task_folders])
    if name in tasks.names():
        return find_task(name, places, overrides)
    if overrides:
        raise CommandError(f"--set changes settings of a task, and no task {name} is known here")
    return None


def _described(name: str, source: Callable[[], Path], task: Task | None) -> _Subject:
    if task is None:
        return _Subject(name, source, ServingSettings(), None)
    spec = task.settings.serving.teacher or task.settings.teacher
    return _Subject(name, source, task.settings.serving, spec if spec.mode == "attached" else None)


def _asked_for(url: str | None, model: str | None) -> ModelSpec | None:
    if url is None and model is not None:
        raise CommandError("--teacher-model goes with --teacher-url")
    return ModelSpec(mode="attached", base_url=url, model=model) if url else None


def _served(
    one: _Subject, teacher: ModelSpec | None, beside: tuple[Path, float] | None, home: Path
) -> Served:
    from distil_dag.adapters.serving.autonomy_state import state_file
    from distil_dag.adapters.serving.student_server import StudentServer
    from distil_dag.adapters.serving.teacher import Teacher
    from distil_dag.entrypoints.serve.candidate import Candidate
    from distil_dag.entrypoints.serve.loaded import Loaded
    from distil_dag.entrypoints.serve.served import Served
    from distil_dag.stages.serving.policy import TeacherOnly

    def load(path: Path) -> StudentServer:
        return StudentServer(path, context=one.settings.context)

    def candidate(path: Path, share: float) -> Candidate:
        student = load(path)
        path = state_file(home, one.name, is_candidate=True)
        policy = _earned(one, teacher, student, path) if teacher and share else TeacherOnly()
        return Candidate(Loaded(student, policy), share)

    served = Served(
        name=one.name,
        settings=one.settings,
        source=one.source,
        load=load,
        policy=lambda student: (
            _earned(one, teacher, student, state_file(home, one.name)) if teacher else TeacherOnly()
        ),
        teacher=Teacher(teacher) if teacher else None,
        candidate=candidate(*beside) if beside else None,
        since=int(time.time()),
    )
    served.open()
    return served


def _earned(one: _Subject, teacher: ModelSpec, student: ServedStudent, path: Path) -> Policy:
    from distil_dag.adapters.serving.autonomy_state import KeptAutonomy
    from distil_dag.stages.serving.autonomy import Autonomy
    from distil_dag.stages.serving.standing import Identity

    identity = Identity(
        student=student.identity,
        tools_digest=student.tools.digest,
        teacher=teacher.model or "as requests say",
        target=one.settings.target_precision,
        confidence=one.settings.confidence,
    )
    autonomy = Autonomy(identity, student.calibration, one.settings.audit)
    return KeptAutonomy(autonomy, path)


def _logged(served: Sequence[Served], address: str, tokens: Sequence[str]) -> Gateway:
    """The server with its log of exchanges, and the page that shows it."""
    from distil_dag.adapters.serving.exchanges.open_log import open_exchange_log
    from distil_dag.adapters.serving.exchanges.reader import open_reader
    from distil_dag.entrypoints.serve.app import Gateway
    from distil_dag.entrypoints.serve.page.data import CandidateFigures, PageData, Promise, page_data
    from distil_dag.entrypoints.serve.page.routes import page_router

    redacted = [one.name for one in served if one.settings.redact]
    log, reader = open_exchange_log(address, redacted), open_reader(address)

    def promise(one: Served) -> Promise | None:
        standing = one.current.policy.standing
        target, confidence = one.settings.target_precision, one.settings.confidence
        return Promise(target=target, confidence=confidence, standing=standing) if standing else None

    def shown() -> PageData:
        promises: Mapping[str, Promise | None] = {one.name: promise(one) for one in served}
        candidates = {one.name: CandidateFigures.of(one.candidate) for one in served if one.candidate}
        return page_data(reader, promises, log.dropped, candidates=candidates)

    gateway = Gateway(served, log, tokens)
    gateway.api.include_router(page_router(shown))
    return gateway

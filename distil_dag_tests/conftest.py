"""What tests of several rooms need: installations, Postgres, vLLM, a browser, a student to train."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.defs_state.base import DefsStateStorage
from playwright.sync_api import Browser, sync_playwright

from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.adapters.llamacpp.embedded_weights import embedded_checkpoint
from distil_dag.adapters.system.processes import ProcessMark
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import ChatModel
from distil_dag_tests.adapters.tasks.lamp_folder import JOB, YAML
from distil_dag_tests.runs.paid_models import Installation, Place
from distil_dag_tests.stages.training.short_training import first_layers

_VLLM = (
    *("--dtype", "float32"),  # the weights' own: what rounding to 16 bits loses differs by machine
    *("--max-model-len", "2048"),
    *("--max-num-seqs", "32"),
    *("--max-num-batched-tokens", "512"),  # so that long prompts are read in pieces
    "--enforce-eager",  # compiling takes longer than all the tests' tokens
)


@dataclass(frozen=True)
class Postgres:
    """Where the server listens, and its superuser."""

    port: int
    host: str = "127.0.0.1"
    user: str = "distil_dag"
    password: str = "not-a-secret"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg2://{self.user}:{self.password}@{self.host}:{self.port}/{database}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = programs[-1] if programs else shutil.which("initdb")
    if initdb is None:
        pytest.skip("Postgres is not installed (package `postgresql`)")
    # Postgres refuses to run as root and has a user of its own, who may not look into pytest's folders.
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="distil_dag-postgres-"))
    folder.chmod(0o755)
    if user:
        shutil.chown(folder, "postgres")
    server = Postgres(free_port())
    password = folder / "password"
    password.write_text(server.password)
    password.chmod(0o644)

    def run(*command: str) -> None:
        subprocess.run([*user, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    data, control = str(folder / "data"), str(Path(initdb).with_name("pg_ctl"))
    run(str(initdb), "-D", data, "-U", server.user, "-A", "scram-sha-256", "--pwfile", str(password))
    options = f"-p {server.port} -k {folder} -c listen_addresses={server.host}"
    run(control, "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield server
    finally:
        run(control, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def servers() -> Path:
    """The folder of the programs that `make test-servers` has installed."""
    folder = os.environ.get("DISTIL_DAG_TEST_SERVERS")
    if not folder:
        pytest.skip("DISTIL_DAG_TEST_SERVERS is not set: run `make test-servers`")
    return Path(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a window.

    It lives for a module: while it is open, Playwright's event loop runs in this thread, and other tests
    start loops of their own.
    """
    found = [
        path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))
    ]
    if not found:
        pytest.skip("Chromium is not installed (package `chromium`)")
    with sync_playwright() as playwright:
        # Its sandbox refuses to run as root.
        opened = playwright.chromium.launch(executable_path=found[0], args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def vllm_spec(embedded_student: Path) -> ModelSpec:
    """SmolLM2 behind the vLLM that the environment variable `DISTIL_DAG_TEST_VLLM` is the command of."""
    executable = os.environ.get("DISTIL_DAG_TEST_VLLM")
    if not executable:
        pytest.skip("DISTIL_DAG_TEST_VLLM is not set: run `make test-vllm`")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    return ModelSpec(
        mode="managed",
        model=str(embedded_student),
        executable=executable,
        arguments=_VLLM,
        max_in_flight=16,
        timeout_seconds=600,
    )


@pytest.fixture(scope="session")
def vllm_run() -> Iterator[subprocess.Popen[bytes]]:
    """Stands for the process of a run, with which its server ends."""
    process = subprocess.Popen(["sleep", "infinity"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def vllm_servers(
    vllm_run: subprocess.Popen[bytes], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Servers]:
    owner = ProcessMark.of(vllm_run.pid)
    assert owner is not None
    servers = Servers(tmp_path_factory.mktemp("home") / "servers", "run", owner, say=print)
    yield servers
    servers.release()


@pytest.fixture(scope="session")
def vllm_chat(vllm_spec: ModelSpec, vllm_servers: Servers) -> Iterator[ChatModel]:
    """One server for all tests of a session: it takes minutes to start on two busy cores."""
    with open_chat(vllm_spec, None, vllm_servers) as model:
        yield model


@pytest.fixture(scope="session")
def embedded_student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return embedded_checkpoint(tmp_path_factory.mktemp("embedded"))


@pytest.fixture(scope="session")
def base(embedded_student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two of the student's layers: a tenth of the work."""
    return first_layers(embedded_student, 2, tmp_path_factory.mktemp("layers") / "base")


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all trainings of a module."""
    return tmp_path_factory.mktemp("training")


@pytest.fixture
def start_training() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts trainings in processes of their own; none outlives its test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distil_dag.entrypoints.train", str(folder)]
        started.append(
            subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own, as a fresh clone in an empty folder would have it."""
    for name in ("DISTIL_DAG_STORE", "DISTIL_DAG_TASKS", "DAGSTER_HOME", "DISTIL_DAG_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTIL_DAG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def no_ended_instance() -> Iterator[None]:
    """Dagster may still point at an instance that has ended, and asks it for the state of definitions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DefsStateStorage, "get", classmethod(lambda cls: None))
        yield


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as temporary:
        yield temporary


@pytest.fixture
def place(tmp_path: Path, instance: dg.DagsterInstance) -> Place:
    """Makes installations that share an instance."""
    return lambda name, answer, tools: Installation(tmp_path / name, instance, answer, tools)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A task without a mistake, for a test to corrupt."""
    path = tmp_path / "lamp"
    path.mkdir()
    (path / "task.yaml").write_text(YAML)
    (path / "job_description.json").write_text(json.dumps(JOB, indent=1))
    return path

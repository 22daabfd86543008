"""Real servers, each with a folder of its own, from the environment of `make test-servers`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from distil_dag_tests.adapters.logs.servers.demo import Demo
from distil_dag_tests.adapters.logs.servers.litellm_proxy import Proxy, proxy
from distil_dag_tests.adapters.logs.servers.openai_stand_in import openai_stand_in
from distil_dag_tests.adapters.logs.servers.server import running
from distil_dag_tests.conftest import Postgres, free_port


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo.build(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def phoenix(servers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("phoenix"), free_port()
    url = f"http://127.0.0.1:{port}"
    with running(
        [servers / "phoenix", "serve"], folder, f"{url}/healthz", PHOENIX_WORKING_DIR=str(folder),
        PHOENIX_HOST="127.0.0.1", PHOENIX_PORT=str(port), PHOENIX_GRPC_PORT=str(free_port()),
    ):  # fmt: skip
        yield url


@pytest.fixture(scope="module")
def mlflow(servers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        servers / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "files"),
    ]  # fmt: skip
    with running(command, folder, f"{url}/health"):
        yield url


@pytest.fixture(scope="module")
def litellm(
    servers: Path, demo: Demo, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    answers = {name: response for name, (_, response) in demo.bodies().items()}
    folder = tmp_path_factory.mktemp("litellm")
    with openai_stand_in(answers) as upstream, proxy(servers, folder, postgres, upstream) as started:
        yield started

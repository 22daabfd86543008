"""The compose deployment without containers: its processes, its settings, a real Postgres.

Commands, `dagster.yaml` and `workspace.yaml` are read from docker/, so a mistake in them fails here.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from distil_dag_tests.conftest import Postgres, free_port
from distil_dag_tests.paths import ROOT

DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())


def wait_for(what: str, ready: Any, seconds: float = 240) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if result := ready():
                return result
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"{what} was not ready after {seconds} s")


def image_command(target: str) -> list[str]:
    """The CMD of one target of the Dockerfile."""
    return _words(target, "CMD ")


def image_healthcheck(target: str) -> list[str]:
    """The health check of one target of the Dockerfile."""
    return _words(target, "HEALTHCHECK ")


def _words(target: str, instruction: str) -> list[str]:
    stage = (DOCKER / "Dockerfile").read_text().split(f" AS {target}\n", 1)[1].split("\nFROM ", 1)[0]
    line = next(line for line in stage.splitlines() if line.startswith(instruction))
    return list(json.loads(line[line.index("[") :]))


def in_venv(command: list[str]) -> list[str]:
    return [str(Path(sys.executable).parent / command[0]), *command[1:]]


@contextmanager
def started(
    command: list[str], log: Path, env: dict[str, str], cwd: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as sink:
        process = subprocess.Popen(
            in_venv(command),
            stdout=sink,
            stderr=sink,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield process
        assert process.poll() is None, f"{shlex.join(command)} ended early:\n{log.read_text()[-4000:]}"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def deployment(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sa.create_engine(postgres.url(), isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("CREATE DATABASE distil_dag"))
    home = tmp_path_factory.mktemp("dagster_home")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(DOCKER / name, home / name)
    tasks = tmp_path_factory.mktemp("tasks")
    shutil.copytree(ROOT / "examples" / "smart_home", tasks / "smart_home")
    code_port, web_port = free_port(), free_port()
    env = {
        **os.environ,
        "DAGSTER_PG_HOST": postgres.host,
        "DAGSTER_PG_PORT": str(postgres.port),
        "DAGSTER_PG_USERNAME": postgres.user,
        "DAGSTER_PG_PASSWORD": postgres.password,
        "DAGSTER_PG_DB": "distil_dag",
        "DAGSTER_HOME": str(home),
        "DISTIL_DAG_HOME": str(tmp_path_factory.mktemp("data")),
        "DISTIL_DAG_TASKS": str(tasks),
        "DISTIL_DAG_CODE_HOST": "127.0.0.1",
        "DISTIL_DAG_CODE_PORT": str(code_port),
    }
    code = [str(code_port) if word == "4000" else word for word in image_command("code")]
    web = [str(web_port) if word == "3000" else word for word in COMPOSE["services"]["webserver"]["command"]]
    daemon = COMPOSE["services"]["daemon"]["command"]
    url = f"http://127.0.0.1:{web_port}/graphql"
    with started(code, home / "code.log", env, home) as server:
        health = [str(code_port) if word == "4000" else word for word in image_healthcheck("code")]

        def healthy() -> bool:
            assert server.poll() is None, (home / "code.log").read_text()[-4000:]
            return subprocess.run(in_venv(health), env=env, capture_output=True).returncode == 0

        wait_for("the code location", healthy)
        with started(web, home / "web.log", env, home), started(daemon, home / "daemon.log", env, home):
            wait_for("the webserver", lambda: graphql(url, "{ version }"))
            yield url


def graphql(url: str, query: str, **variables: Any) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        reply = json.load(response)
    assert "errors" not in reply, reply["errors"]
    return dict(reply["data"])


SELECTOR = {"repositoryName": "__repository__", "repositoryLocationName": "distil_dag"}


def test_an_asset_is_materialized_through_graphql_as_the_ui_does_it(
    deployment: str, postgres: Postgres
) -> None:
    url = deployment
    run_key = "smart_home.deployment"
    added = graphql(
        url,
        """mutation ($selector: RepositorySelector!, $name: String!, $key: String!) {
             addDynamicPartition(repositorySelector: $selector, partitionsDefName: $name, partitionKey: $key)
             { __typename } }""",
        selector=SELECTOR,
        name="distil_runs",
        key=run_key,
    )
    assert added["addDynamicPartition"]["__typename"] == "AddDynamicPartitionSuccess"

    launched = graphql(
        url,
        """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params)
             { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
        params={
            "selector": {
                **SELECTOR,
                "pipelineName": "distil_run",
                "assetSelection": [{"path": ["traces"]}],
                "assetCheckSelection": [],
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": run_key}]},
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched

    def ended() -> str | None:
        run = graphql(
            url,
            "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }",
            id=launched["run"]["runId"],
        )["runOrError"]
        return run["status"] if run["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

    assert wait_for("the run", ended, seconds=180) == "SUCCESS"

    shown = graphql(
        url,
        """query ($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
             assetMaterializations(limit: 1) { partition metadataEntries { label } } } } }""",
        key={"path": ["traces"]},
    )["assetOrError"]["assetMaterializations"]
    assert shown[0]["partition"] == run_key
    assert shown[0]["metadataEntries"]

    with sa.create_engine(postgres.url("distil_dag")).connect() as connection:
        count = connection.execute(
            sa.text(
                "select count(*) from event_logs where dagster_event_type = 'ASSET_MATERIALIZATION'"
                " and partition = :run"
            ),
            {"run": run_key},
        ).scalar_one()
    assert count == 1

"""The compose deployment without containers: its processes, its settings, a real Postgres.

Commands, `dagster.yaml` and `workspace.yaml` are read from docker/, so a mistake in them fails here.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, ready: Any, seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if result := ready():
                return result
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"{what} was not ready after {seconds} s")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = programs[-1] if programs else shutil.which("initdb")
    if initdb is None:
        pytest.skip("Postgres is not installed (package `postgresql`)")
    bin_folder = Path(initdb).parent
    folder = tmp_path_factory.mktemp("postgres")
    # Postgres refuses to run as root; its package brings a user for it.
    sudo = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if sudo:
        for path in (folder, *[p for p in folder.parents if str(p).startswith("/tmp/")]):
            path.chmod(0o755)
        shutil.chown(folder, "postgres")
    port = free_port()
    secret = folder / "password"
    secret.write_text("not-a-secret")
    secret.chmod(0o644)
    data = folder / "data"
    subprocess.run(
        [*sudo, str(bin_folder / "initdb"), "-D", str(data), "-U", "distil_dag", "-A", "scram-sha-256"]
        + ["--pwfile", str(secret)],
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(
        [*sudo, str(bin_folder / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)]
        + ["-c", "listen_addresses=127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    env = {**os.environ, "PGPASSWORD": "not-a-secret", "PGHOST": "127.0.0.1", "PGPORT": str(port)}
    createdb = [str(bin_folder / "createdb"), "-U", "distil_dag", "distil_dag"]
    try:
        wait_for("Postgres", lambda: subprocess.run(createdb, env=env, capture_output=True).returncode == 0)
        yield {
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(port),
            "DAGSTER_PG_USERNAME": "distil_dag",
            "DAGSTER_PG_PASSWORD": "not-a-secret",
            "DAGSTER_PG_DB": "distil_dag",
        }
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def image_command(target: str) -> list[str]:
    """The CMD of one target of the Dockerfile."""
    stage = (DOCKER / "Dockerfile").read_text().split(f" AS {target}\n", 1)[1].split("\nFROM ", 1)[0]
    line = next(line for line in stage.splitlines() if line.startswith("CMD "))
    return list(json.loads(line.removeprefix("CMD ")))


@contextmanager
def started(command: list[str], log: Path, env: dict[str, str], cwd: Path) -> Iterator[None]:
    program = Path(sys.executable).parent / command[0]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(program), *command[1:]],
            stdout=sink,
            stderr=sink,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield
        assert process.poll() is None, f"{shlex.join(command)} ended early:\n{log.read_text()[-4000:]}"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def deployment(
    postgres: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, str]]]:
    home = tmp_path_factory.mktemp("dagster_home")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(DOCKER / name, home / name)
    tasks = tmp_path_factory.mktemp("tasks")
    shutil.copytree(ROOT / "examples" / "smart_home", tasks / "smart_home")
    code_port, web_port = free_port(), free_port()
    env = {
        **os.environ,
        **postgres,
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
    with started(code, home / "code.log", env, home):
        wait_for("the code location", lambda: socket.create_connection(("127.0.0.1", code_port), 1))
        with started(web, home / "web.log", env, home), started(daemon, home / "daemon.log", env, home):
            wait_for("the webserver", lambda: graphql(url, "{ version }"))
            yield url, env


def graphql(url: str, query: str, **variables: Any) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        reply = json.load(response)
    assert "errors" not in reply, reply["errors"]
    return dict(reply["data"])


SELECTOR = {"repositoryName": "__repository__", "repositoryLocationName": "distil_dag"}


def test_an_asset_is_materialized_through_graphql_as_the_ui_does_it(
    deployment: tuple[str, dict[str, str]],
) -> None:
    url, env = deployment
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

    import psycopg2

    with (
        psycopg2.connect(
            host=env["DAGSTER_PG_HOST"],
            port=env["DAGSTER_PG_PORT"],
            user=env["DAGSTER_PG_USERNAME"],
            password=env["DAGSTER_PG_PASSWORD"],
            dbname=env["DAGSTER_PG_DB"],
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "select count(*) from event_logs where dagster_event_type = 'ASSET_MATERIALIZATION'"
            " and partition = %s",
            [run_key],
        )
        (count,) = cursor.fetchone() or (0,)
    assert count == 1

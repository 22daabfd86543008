"""A real Postgres server for the tests that need one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


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

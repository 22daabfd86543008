"""A real LiteLLM proxy with its database in Postgres."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from openai import OpenAI

from distil_dag_tests.adapters.logs.servers.server import running
from distil_dag_tests.conftest import Postgres, free_port

KEY = "sk-of-the-test"
LONGEST = 4000
"""Characters of a text that the proxy keeps; without the setting it would be 2048."""
ENGINE = Path(__file__).with_name("prisma_engine.cjs")


@dataclass(frozen=True)
class Proxy:
    """Where a proxy listens.

    Attributes:
        url: for clients.
        database: SQLAlchemy URL of its database.
    """

    url: str
    database: str

    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=KEY, max_retries=0, timeout=60)


@contextmanager
def proxy(servers: Path, folder: Path, postgres: Postgres, upstream: str) -> Iterator[Proxy]:
    """A proxy in front of a service.

    Args:
        servers: the folder of its program.
        folder: its own.
        postgres: holds its database, which is made new.
        upstream: address of the service.
    """
    name = f"litellm_{folder.name.replace('-', '_')}"
    _run(postgres.url(), f"CREATE DATABASE {name}")
    _migrate(servers, postgres.url(name))
    config = {
        "model_list": [
            {
                "model_name": "*",
                "litellm_params": {"model": "openai/*", "api_base": upstream, "api_key": "none"},
            }
        ],
        "general_settings": {
            "master_key": KEY, "store_prompts_in_spend_logs": True, "proxy_batch_write_at": 1,
        },
    }  # fmt: skip
    (folder / "config.yaml").write_text(json.dumps(config))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    address = f"postgresql://{postgres.user}:{postgres.password}@{postgres.host}:{postgres.port}/{name}"
    with running(
        [servers / "litellm", "--config", folder / "config.yaml", "--host", "127.0.0.1", "--port", str(port)],
        folder, f"{url}/health/readiness",
        DATABASE_URL=address, DISABLE_SCHEMA_UPDATE="true", MAX_STRING_LENGTH_PROMPT_IN_DB=str(LONGEST),
        PRISMA_QUERY_ENGINE_BINARY=str(ENGINE), PRISMA_BINARY_CACHE_DIR=str(servers.parent / "node"),
    ):  # fmt: skip
        yield Proxy(url, postgres.url(name))


def _migrate(servers: Path, url: str) -> None:
    """The tables as the proxy's own package writes them, which it has another program do."""
    (migrations,) = servers.parent.glob("lib/*/site-packages/litellm_proxy_extras/migrations")
    _run(url, *(script.read_text() for script in sorted(migrations.glob("*/migration.sql"))))


def _run(url: str, *scripts: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as database:
        for script in scripts:
            database.exec_driver_sql(script.replace("%", "%%"))

"""The `traces` asset of a log behind an API: windows, and no secret in what Dagster or the store keeps."""

from pathlib import Path

import pytest

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag_tests.adapters.logs.apis import test_services as services
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.assets.test_traces import materialize, write_task

SECRET = "sk-lf-d0n7t3ll4ny0n3"
RUN = "lights.20261130T030300Z_20261130T030100Z"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", SECRET)
    (tmp_path / "dagster").mkdir()
    return tmp_path


def kept(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_window_of_a_service(home):
    langfuse = services.Langfuse()
    langfuse.keys = ("pk-lf-1", SECRET)
    with StandIn(langfuse.answer) as service:
        write_task(home / "tasks/lights", "lights", kind="langfuse", url=service.url)
        versions = []
        for _ in range(2):
            result, logged = materialize(home, RUN)
            assert result.success
            (event,) = result.asset_materializations_for_node("traces")
            versions.append(event.tags["dagster/data_version"])
    assert versions[0] == versions[1]
    assert sorted(row["id"] for row in RunStore(home / "store").read_rows(RUN, tables.TRACES)) == ["r1", "r2"]
    assert event.metadata["source"].value == "langfuse"
    assert SECRET not in logged + repr(event.metadata)
    assert SECRET.encode() not in kept(home)


def test_an_echoed_secret_is_not_kept(home):
    with StandIn(lambda asked: Answer({"you sent": asked.headers, "key": SECRET}, 403)) as service:
        write_task(home / "tasks/lights", "lights", kind="langfuse", url=service.url)
        result, logged = materialize(home, RUN)
    assert not result.success
    assert "answers 403 Forbidden, the keys have no right to this" in logged
    assert service.asked[0].headers["authorization"].startswith("Basic ")
    for secret in (SECRET, service.asked[0].headers["authorization"].removeprefix("Basic ")):
        assert secret not in logged
        assert secret.encode() not in kept(home)

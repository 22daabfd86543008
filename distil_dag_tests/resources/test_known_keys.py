"""The instance of an installation answers for hundreds of partition keys by one query."""

from __future__ import annotations

import time
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from distil_dag.resources import known_keys
from distil_dag.resources.asset_defaults import RUNS
from distil_dag.resources.deployment import deployment

NAME = str(RUNS.name)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    monkeypatch.setenv("DISTIL_DAG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    return deployment().instance()


def test_all_keys_of_a_page_cost_one_query(instance: dg.DagsterInstance) -> None:
    keys = [f"home.run_{n}" for n in range(50)]
    instance.add_dynamic_partitions(NAME, keys)
    queries: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM dynamic_partitions" in statement:
            queries.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert all(instance.has_dynamic_partition(NAME, key) for key in keys)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(queries) == 1


def test_a_key_that_another_process_adds_is_known_at_once(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions(NAME, ["home.first"])
    assert instance.has_dynamic_partition(NAME, "home.first")
    with dg.DagsterInstance.get() as other:
        other.add_dynamic_partitions(NAME, ["home.second"])
    assert instance.has_dynamic_partition(NAME, "home.second")


def test_a_deleted_key_is_unknown(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    instance.add_dynamic_partitions(NAME, ["home.first", "home.second"])
    assert instance.has_dynamic_partition(NAME, "home.first")
    instance.delete_dynamic_partition(NAME, "home.first")
    assert not instance.has_dynamic_partition(NAME, "home.first")

    monkeypatch.setattr(known_keys, "_SECONDS", 0.05)
    assert instance.has_dynamic_partition(NAME, "home.second")
    with dg.DagsterInstance.get() as other:
        other.delete_dynamic_partition(NAME, "home.second")
    time.sleep(0.06)
    assert not instance.has_dynamic_partition(NAME, "home.second")

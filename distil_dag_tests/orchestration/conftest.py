from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.defs_state.base import DefsStateStorage

from distil_dag_tests.orchestration.paid_models import Installation, Place


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

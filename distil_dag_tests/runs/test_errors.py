"""Which errors a further try may mend, and what of them is told."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from distil_dag.adapters.checkpoints.base_weights import base_checkpoint
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable
from distil_dag.adapters.vllm.server import ServerError
from distil_dag.core import tables
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.settings import StudentSpec
from distil_dag.runs.errors import may_pass, reason
from distil_dag.stages.ports import ModelRefusedError, ModelUnreachableError


class TransportError(Exception):
    """What httpx names so, and is not declared here."""


class Answered(Exception):
    """An HTTP error with its answer, as httpx, requests, openai and huggingface_hub raise it."""

    def __init__(self, status: int) -> None:
        self.response = SimpleNamespace(status_code=status)


def caused(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        TimeoutError(),
        TransportError("slow"),
        Answered(429),
        Answered(503),
        ModelUnreachableError("no answer"),
        SourceUnavailable("no answer"),
        caused(RuntimeError("load failed"), SourceUnavailable("no answer")),
        OSError(errno.EIO, "Input/output error"),
        RuntimeError("out of memory"),
    ],
)
def test_what_may_pass(error: Exception) -> None:
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        ModelRefusedError("401"),
        caused(ServerError("does not start"), ModelUnreachableError("no answer")),
        SourceError("no table"),
        Answered(401),
        Answered(404),
        caused(FileNotFoundError("no such model"), Answered(404)),
        OSError(errno.ENOSPC, "No space left on device", "rows"),
        OSError("x is not a valid model identifier"),
        ImportError("pip install it"),
        KeyError("column"),
        ValueError("judge.seeds"),
    ],
)
def test_what_does_not_pass(error: Exception) -> None:
    assert not may_pass(error)


def test_the_reason_stands_first(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    with pytest.raises(FileNotFoundError) as missing:
        store.read_report("home.a", "traces", TracesReport)
    assert reason(missing.value).startswith("materialize `traces` of partition 'home.a' first: ")
    assert "distil-dag run home --run home.a" in reason(missing.value)
    store.write_bytes("home.a", "traces", "report.json", b'{"read": "many"}')
    with pytest.raises(ValueError, match="written by another release") as wrong:
        store.read_report("home.a", "traces", TracesReport)
    assert reason(wrong.value).startswith("materialize `traces` of partition 'home.a' again: ")
    assert not may_pass(wrong.value)
    store.write_bytes("home.a", "judged_seeds", "seeds.parquet", b"PAR1 torn")
    with pytest.raises(ValueError, match=r"seeds\.parquet is broken") as torn:
        store.read_cases("home.a", tables.SEEDS)
    assert not may_pass(torn.value)
    full = OSError(errno.ENOSPC, "No space left on device", "rows")
    assert reason(full).startswith("No space left on device: rows.")
    assert reason(KeyError("column")) == "KeyError: 'column'"


def test_a_folder_that_is_no_model_is_final(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        base_checkpoint(StudentSpec(model=str(tmp_path)), tmp_path)
    assert not may_pass(error.value)

"""The soak of a few seconds, on tiny students: swaps and a kill, with nothing lost or mixed."""

from __future__ import annotations

from pathlib import Path

import pytest
from soak import soak

from distil_dag_tests.entrypoints.serve.conftest import student_file


@pytest.mark.slow
def test_swapped_killed_and_ended_a_server_loses_and_mixes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    files = [student_file(tmp_path / f"{seed}.gguf", seed, **{"distil_dag.task": "lamp"}) for seed in (1, 2)]
    texts = [f"turn on the light in the {room}" for room in ("kitchen", "hall", "attic", "cellar", "bath")]
    (tmp_path / "home").mkdir()
    found = soak(tmp_path / "home", (files[0], files[1]), texts, seconds=8, clients=4, teacher_seconds=0.02)
    assert found["faults"] == {}
    assert found["answered_by"]["student"] > 20
    assert found["answered_by"]["teacher"] > 20
    assert found["cut_off_by_the_kill"] > 0

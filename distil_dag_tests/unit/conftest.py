"""The folder of a small task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distil_dag_tests.unit.lamp_folder import JOB, YAML


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A task without a mistake, for a test to spoil."""
    path = tmp_path / "lamp"
    path.mkdir()
    (path / "task.yaml").write_text(YAML)
    (path / "job_description.json").write_text(json.dumps(JOB, indent=1))
    return path

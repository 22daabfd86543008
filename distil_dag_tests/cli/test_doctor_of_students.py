"""`distil-dag doctor` on the base of a student in a local folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distil_dag.cli.doctor import report
from distil_dag_tests.adapters.checkpoints.refusing_base import NOTHING, ONE_TURN, write_refusing_base
from distil_dag_tests.automation.test_automation import write_task

pytest.importorskip("llama_cpp")


@pytest.mark.parametrize(
    ("refusal", "state", "said"),
    [
        ("", "ok", "takes the usual conversations"),
        (ONE_TURN, "warning", "4 of 6 conversations: one turn only"),
        (NOTHING, "missing", "its chat template can't be used"),
    ],
)
def test_what_the_template_of_a_base_takes_is_told(
    home: Path, tmp_path: Path, embedded_student: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], refusal: str, state: str, said: str,
) -> None:  # fmt: skip
    base = write_refusing_base(tmp_path, embedded_student, refusal)
    write_task(tmp_path / "tasks" / "home", "home", 3, student={"model": str(base)})
    monkeypatch.setenv("DISTIL_DAG_TASKS", str(tmp_path / "tasks" / "home"))
    report(json=True)
    checks: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["checks"]
    check = next(check for check in checks if check["name"] == "student of home")
    assert check["state"] == state
    assert said in check["found"]
    if state == "missing":
        assert "no chats" in check["fix"]

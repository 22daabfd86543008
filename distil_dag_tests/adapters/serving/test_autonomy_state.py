"""What a student has proved outlives its server."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from distil_dag.adapters.serving.autonomy_state import KeptAutonomy
from distil_dag.stages.serving.autonomy import Autonomy
from distil_dag.stages.serving.standing import Identity

WHO = Identity(student="model@1", tools_digest="abc", teacher="gpt", target=0.95)
ROWS = [(place / 100, True) for place in range(100)]
# Learns without an end, and tells how much it has learned.
LEARNER = """
import sys
from pathlib import Path
from distil_dag.adapters.serving.autonomy_state import KeptAutonomy
from distil_dag.stages.serving.autonomy import Autonomy
from distil_dag.stages.serving.standing import Identity

kept = KeptAutonomy(Autonomy(Identity("model@1", "abc", "gpt", 0.95)), Path(sys.argv[1]))
while True:
    kept.learn(0.5, agreed=True, audited=False)
    print(kept.standing.answers, flush=True)
"""


def opened(path: Path) -> KeptAutonomy:
    return KeptAutonomy(Autonomy(WHO, ROWS), path)


def test_what_was_proved_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "serving" / "home.json"
    with opened(path) as kept:
        for place in range(301):
            kept.learn(place % 100 / 100, agreed=True, audited=False)
        before = kept.standing
    assert before.threshold is not None
    with opened(path) as kept:
        assert kept.standing == before
        assert kept.may_answer
        assert kept.decide(1.0).alone


def test_a_killed_server_loses_31_answers_at_most(tmp_path: Path) -> None:
    path = tmp_path / "home.json"
    with subprocess.Popen(
        [sys.executable, "-c", LEARNER, str(path)], stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        told = [int(next(one.stdout)) for _ in range(150)]
        os.kill(one.pid, signal.SIGKILL)
        told += [int(line) for line in one.stdout if line.endswith("\n")]
    with opened(path) as kept:
        assert told[-1] - 31 <= kept.standing.answers <= told[-1] + 1


def test_what_is_given_or_taken_is_written_and_told_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "home.json"
    kept = opened(path)
    with kept:
        while not kept.may_answer:
            kept.learn(0.9, agreed=True, audited=False)
        written = json.loads(path.read_text())["history"]
        assert written[-1]["what"] == "takes over more"
        while kept.may_answer:
            kept.learn(1.0, agreed=False, audited=True)
        written = json.loads(path.read_text())["history"]
        assert "back" in written[-1]["what"]
    assert "home: takes over more: " in caplog.text
    assert "back" in caplog.messages[-1]


def test_a_damaged_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "home.json"
    path.write_text('{"version"')
    with opened(path) as kept:
        assert not kept.may_answer
        assert "can't be read" in kept.standing.history[-1].what
    assert (tmp_path / "home.json.damaged").read_text() == '{"version"'
    with opened(path) as kept:
        assert len(kept.standing.history) == 2


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "home.json"
    with opened(path), pytest.raises(BlockingIOError, match=r"home\.json: end it"):
        opened(path)
    opened(path).close()

"""The whole chain on real weights, killed in every stage: the rows are those of a run left alone."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from distil_dag.core.settings import GateName
from distil_dag_tests.runs.household_task import write_household

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(sys.platform != "linux", reason="a step learns of its run's death from Linux"),
]

RUN = "household.once"
# What the command says while a stage is at work; it is killed a moment after the first such line.
AT_WORK = ("traces", "judging:", "synthetic rows:", "training in", "export:", "evaluating:")
SETTINGS = {
    "name": "household",
    "traces": {"kind": "files", "path": "log.jsonl", "format": "messages"},
    "test": {"size": 6},
    "judge": {"seeds": 20, "reask": 0},
    "synthesis": {"rows": 16, "batch": 8},
    "training": {"trained_layers": 2, "epochs": 1.0, "least_seen": 0, "batch_size": 4, "save_every_steps": 2},
    "export": {"quantizations": ["Q8_0"], "probes": 4},
    "evaluation": {"max_new_tokens": 16, "few_shot": 2, "bootstrap": 100},
    # A student of a minute's training passes none of them, and the chain is to be seen to its end.
    "gates": {"soft": list(get_args(GateName))},
}


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return write_household(tmp_path / "household", SETTINGS)


def start(task: Path, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from distil_dag.cli import main; main()", "run", str(task), "--run", RUN],
        cwd=home.parent,
        env={**os.environ, "DISTIL_DAG_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(task: Path, home: Path) -> None:
    process = start(task, home)
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said


def kill(task: Path, home: Path, at_work: str, after: float) -> None:
    process = start(task, home)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if at_work in line:
            break
    else:
        pytest.fail(f"never at work on {at_work!r}:\n{''.join(said)}")
    time.sleep(after)
    assert process.poll() is None, f"ended before it was killed, {after:.1f} s after {at_work!r}"
    process.kill()
    process.wait()


def rows(home: Path) -> dict[str, pd.DataFrame]:
    """Every table of the run, without what a loader notes of its own doing."""
    root = home / "store" / RUN
    tables = {}
    for path in sorted(root.rglob("*.parquet")):
        table = pd.read_parquet(path)
        own = [name for name in table if not name.startswith("_dlt")]
        # dlt names its files for the load; the folder is the table.
        name = path.parent.name if path.is_relative_to(root / "traces") else path.stem
        tables[f"{path.relative_to(root).parts[0]}/{name}"] = table[own]
    return tables


def test_killed_in_every_stage_it_ends_with_the_same_rows(task: Path, tmp_path: Path) -> None:
    left_alone, killed = tmp_path / "left_alone", tmp_path / "killed"
    finish(task, left_alone)
    moments = random.Random(0)
    for at_work in AT_WORK:
        kill(task, killed, at_work, moments.uniform(0, 1.5))
    finish(task, killed)

    expected, found = rows(left_alone), rows(killed)
    assert found.keys() == expected.keys()
    assert {"traces/traces", "judged_seeds/seeds", "synthetic_set/accepted"} < found.keys()
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, obj=name)
    weights = [home / "store" / RUN / "checkpoint/model/model.safetensors" for home in (left_alone, killed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()

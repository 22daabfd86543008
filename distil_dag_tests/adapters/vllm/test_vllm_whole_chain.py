"""The whole chain with an instruction-tuned teacher that a real vLLM serves, asked with tools throughout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.settings import GateName, ModelSpec
from distil_dag.stages.evaluating.candidate import TEACHER
from distil_dag.stages.judging.relabelling import NO_ANSWER
from distil_dag_tests.runs.household_task import write_household

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(3000)]

RUN = "household.a"


def test_a_teacher_without_a_parser_of_calls_judges_relabels_teaches_and_takes_the_test(
    vllm_spec: ModelSpec, base: Path, tmp_path: Path
) -> None:
    settings = {
        "name": "household",
        "traces": {"kind": "files", "path": "log.jsonl", "format": "messages"},
        "teacher": vllm_spec.model_dump(mode="json", include={"mode", "model", "executable", "arguments"}),
        "student": {"model": str(base)},
        "test": {"size": 6},
        "judge": {"seeds": 12, "sample": 24, "reask": 0, "relabel": True},
        "synthesis": {"rows": 8, "batch": 8},
        "training": {"epochs": 1.0, "least_seen": 0, "batch_size": 4},
        "export": {"quantizations": [], "primary": "f16", "probes": 4},
        "evaluation": {"max_new_tokens": 24},
        "gates": {"soft": list(get_args(GateName))},
    }
    task = write_household(tmp_path / "household", settings, traces=60)
    home = tmp_path / "home"
    command = "from distil_dag.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "run", str(task), "--run", RUN],
        cwd=tmp_path,
        env={**os.environ, "DISTIL_DAG_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    store = RunStore(home / "store")
    teacher = store.read_report(RUN, "eval_report", EvalReport).candidate(TEACHER)
    assert (teacher.n, teacher.unanswered) == (6, 0)
    judged = store.read_report(RUN, "judged_seeds", JudgeReport)
    assert judged.committee
    assert not any(outcomes.get(NO_ANSWER) for outcomes in judged.committee.values())

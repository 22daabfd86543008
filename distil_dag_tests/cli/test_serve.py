"""`distil-dag serve`: what it refuses, and a process that serves, swaps and drains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from distil_dag.adapters.run_store import RunStore
from distil_dag.cli.errors import CommandError
from distil_dag.cli.serve import serve_students
from distil_dag.cli.task_template import task_template
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.runs.standings import champion
from distil_dag_tests.conftest import free_port
from distil_dag_tests.entrypoints.serve.conftest import ask, student_file, wait_for
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher
from distil_dag_tests.stand_ins import EVAL_REPORT, GGUF_REPORT, candidate, task


def refused(*subjects: str, host: str = "127.0.0.1", **more: Any) -> str:
    given = {"teacher_url": None, "teacher_model": None, "shadow": None, "settings": [], **more}
    with pytest.raises(CommandError) as error:
        serve_students(subjects, host, free_port(), **given)
    return str(error.value)


def test_what_cannot_be_served_is_told(home: Path, tmp_path: Path) -> None:
    file = student_file(tmp_path / "home.gguf")
    assert "set DISTIL_DAG_TOKENS" in refused(str(file), host="0.0.0.0")
    assert "neither a folder nor the name of a known task" in refused("nothing")
    assert "--teacher-model goes with --teacher-url" in refused(str(file), teacher_model="big")
    assert "no task home is known here" in refused(str(file), settings=["serving.max_tokens=8"])
    assert "have one name" in refused(str(file), str(file))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    assert "broken.gguf" in refused(str(broken))


def test_the_best_run_of_a_task_is_its_champion(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    with pytest.raises(FileNotFoundError, match="`distil-dag run home`"):
        champion(store, "home")
    for run, exact in {"home.a": 0.7, "home.b": 0.9, "home.c": 0.8, "homes.d": 1.0}.items():
        report = EVAL_REPORT.model_copy(update={"candidates": [candidate("Q8_0", exact)]})
        store.write_report(run, "eval_report", EvalReport.model_validate(report.model_dump()))
    assert champion(store, "home") == "home.b"


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    stand_in = Teacher(lambda words: [("light_on", {"room": "kitchen"})])
    yield stand_in
    stand_in.stop()


@pytest.mark.slow
def test_a_run_is_served_its_champion_swapped_and_the_end_waits_for_answers(
    home: Path, tmp_path: Path, teacher: Teacher
) -> None:
    store = RunStore(home / "store")

    def evaluated(run: str, exact: float, seed: int) -> None:
        store.write_report(run, "traces", task(), name="task")
        with store.new_folder(run, "gguf", "files") as folder:
            student_file(Path(folder) / GGUF_REPORT.primary, seed, **{"distil_dag.run": run})
        store.write_report(run, "gguf", GGUF_REPORT)
        report = EVAL_REPORT.model_copy(update={"candidates": [candidate("Q8_0", exact)]})
        store.write_report(run, "eval_report", report)

    evaluated("lamp.first", 0.7, 1)
    folder = tmp_path / "lamp"
    folder.mkdir()
    for name, text in task_template("lamp").items():
        (folder / name).write_text(text)
    port = free_port()
    program = [sys.executable, "-c", "from distil_dag.cli import main; main()"]
    command = [*program, "serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--teacher-url", teacher.url, "--teacher-model", "big"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    address = f"http://127.0.0.1:{port}"

    def metrics() -> str:
        return httpx2.get(f"{address}/metrics").text

    try:
        wait_for(lambda: _answers(address), 100)
        before = metrics()
        evaluated("lamp.second", 0.9, 2)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: 'swaps_total{outcome="done",task="lamp"} 1.0' in metrics())
        assert _student(before) != _student(metrics())
        teacher.seconds = 1.5
        found: list[httpx2.Response] = []
        body = ask(model="lamp")
        asking = threading.Thread(
            target=lambda: found.append(httpx2.post(f"{address}/v1/chat/completions", json=body, timeout=30))
        )
        asking.start()
        wait_for(lambda: teacher.requests)
        process.terminate()
        asking.join(30)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert found[0].json()["choices"][0]["message"]["tool_calls"]
    assert process.returncode in (0, -signal.SIGTERM)
    assert f"OpenAI's API: {address}/v1" in said
    assert "Traceback" not in said


def _answers(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/health").status_code == 200
    except httpx2.TransportError:
        return False


def _student(metrics: str) -> str:
    return next(line for line in metrics.splitlines() if line.startswith("distil_dag_student_info{"))

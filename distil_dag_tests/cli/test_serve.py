"""`distil-dag serve`: what it refuses, and a process that serves, swaps and drains."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.serving.student_server import StudentServer
from distil_dag.cli.errors import CommandError
from distil_dag.cli.serve import serve_students
from distil_dag.cli.task_template import task_template
from distil_dag.core.case import Message
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.runs.releasing.standings import champion
from distil_dag_tests.conftest import free_port
from distil_dag_tests.entrypoints.serve.conftest import ask, student_file, wait_for
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher
from distil_dag_tests.stand_ins import EVAL_REPORT, GGUF_REPORT, candidate, task


def refused(*subjects: str, host: str = "127.0.0.1", **more: Any) -> str:
    given = {
        "teacher_url": None,
        "teacher_model": None,
        "shadow": None,
        "canary": 0.0,
        "log": None,
        "settings": [],
    }
    with pytest.raises(CommandError) as error:
        serve_students(subjects, host, free_port(), **{**given, **more})
    return str(error.value)


def test_what_cannot_be_served_is_told(home: Path, tmp_path: Path) -> None:
    file = student_file(tmp_path / "home.gguf")
    assert "set DISTIL_DAG_TOKENS" in refused(str(file), host="0.0.0.0")
    assert "neither a folder nor the name of a known task" in refused("nothing")
    assert "--teacher-model goes with --teacher-url" in refused(str(file), teacher_model="big")
    assert "no task home is known here" in refused(str(file), settings=["serving.max_tokens=8"])
    assert "have one name" in refused(str(file), str(file))
    assert "--shadow names" in refused(str(file), canary=0.1)
    assert "goes with one task" in refused(str(file), str(file), shadow=str(file))
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


def evaluated(store: RunStore, run: str, exact: float, seed: int) -> Path:
    """A run with a student; returns its file."""
    store.write_report(run, "traces", task(), name="task")
    with store.new_folder(run, "gguf", "files") as folder:
        student_file(Path(folder) / GGUF_REPORT.primary, seed, **{"distil_dag.run": run})
    store.write_report(run, "gguf", GGUF_REPORT)
    report = EVAL_REPORT.model_copy(update={"candidates": [candidate("Q8_0", exact)]})
    store.write_report(run, "eval_report", report)
    return Path(str(store.folder(run, "gguf") / "files" / GGUF_REPORT.primary))


def serving(folder: Path, teacher: Teacher, *settings: str) -> tuple[subprocess.Popen[str], str]:
    """A process that serves the task `lamp`, and its address."""
    (folder / "lamp").mkdir(exist_ok=True)
    for name, text in task_template("lamp").items():
        (folder / "lamp" / name).write_text(text)
    port = free_port()
    program = [sys.executable, "-c", "from distil_dag.cli import main; main()"]
    command = [*program, "serve", str(folder / "lamp"), "--port", str(port)]
    command += [part for setting in settings for part in ("--set", setting)]
    process = subprocess.Popen(
        [*command, "--teacher-url", teacher.url, "--teacher-model", "big"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process, f"http://127.0.0.1:{port}"


@pytest.mark.slow
def test_a_student_earns_what_it_answers_alone_and_keeps_it_over_a_restart(
    home: Path, tmp_path: Path
) -> None:
    file = evaluated(RunStore(home / "store"), "lamp.first", 0.7, 1)
    body = ask(model="lamp")
    with StudentServer(file, context=512, threads=1) as student:
        words = Message(role="user", content=body["messages"][-1]["content"])
        calls = student.submit((words,)).result(60).calls
    teacher = Teacher(lambda _: [(call.name, dict(call.arguments)) for call in calls])
    promise = ("serving.target_precision=0.6", "serving.confidence=0.6")

    def up(address: str) -> None:
        wait_for(lambda: _answers(address), 100)

    def answered_by(address: str) -> str:
        answer = httpx2.post(f"{address}/v1/chat/completions", json=body, timeout=30)
        return answer.headers["x-distil-dag-answered-by"]

    asked = 0
    try:
        for expected_at_first in ("teacher", "student"):
            process, address = serving(tmp_path, teacher, *promise)
            try:
                up(address)
                by = answered_by(address)
                asked += 1
                assert by == expected_at_first
                while by == "teacher" and asked < 200:
                    by, asked = answered_by(address), asked + 1
                assert by == "student"
                page = httpx2.get(f"{address}/").text
                process.terminate()
                process.communicate(timeout=60)
            finally:
                process.kill()
    finally:
        teacher.stop()
    assert "lamp" in page
    with sqlite3.connect(home / "exchanges.sqlite") as log:
        kept = log.execute("select answered_by, why, agrees from exchanges order by time").fetchall()
    assert len(kept) == asked
    assert kept[0] == ("teacher", "not proved yet", 1)
    assert kept[-1][0] == "student"


@pytest.mark.slow
def test_a_run_is_served_its_champion_swapped_and_the_end_waits_for_answers(
    home: Path, tmp_path: Path, teacher: Teacher
) -> None:
    store = RunStore(home / "store")
    evaluated(store, "lamp.first", 0.7, 1)
    process, address = serving(tmp_path, teacher)

    def metrics() -> str:
        return httpx2.get(f"{address}/metrics").text

    try:
        wait_for(lambda: _answers(address), 100)
        before = metrics()
        evaluated(store, "lamp.second", 0.9, 2)
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

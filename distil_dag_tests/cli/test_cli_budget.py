"""`plan`, `run` and `runs` with a paid teacher: a server of the test's own that counts what it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from distil_dag_tests.automation.test_automation import write_task
from distil_dag_tests.cli.test_cli import distil_dag
from distil_dag_tests.runs.paid_models import MARKS

PROMPT, ANSWER = 100, 10


@dataclass
class Teacher:
    """A served model that gives every exchange the same marks."""

    address: str = ""
    asked: list[bytes] = field(default_factory=list)

    def settings(self) -> list[str]:
        price = "price: {prompt_per_million: 1000, completion_per_million: 2000}"
        served = f"teacher={{mode: attached, model: strong, base_url: {self.address}, {price}}}"
        gates = "gates.soft=[enough_traces, enough_seeds, seed_yield]"
        chosen = [served, gates, "judge.kind=rubric", "test.size=5", "synthesis.rows=30"]
        return [word for setting in chosen for word in ("--set", setting)]


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    found = Teacher()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say({"object": "list", "data": [{"id": "strong", "object": "model", "owned_by": "me"}]})

        def do_POST(self) -> None:
            found.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            message = {"role": "assistant", "content": MARKS}
            self._say(
                {
                    "id": "1", "object": "chat.completion", "created": 0, "model": "strong",
                    "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                    "usage": {"prompt_tokens": PROMPT, "completion_tokens": ANSWER,
                              "total_tokens": PROMPT + ANSWER},
                }
            )  # fmt: skip

        def _say(self, answer: object) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.address = f"http://127.0.0.1:{server.server_port}/v1"
        yield found
        server.shutdown()


def test_a_plan_then_a_run_that_its_budget_stops(teacher: Teacher, tmp_path: Path, home: Path) -> None:
    task = tmp_path / "tasks" / "home"
    write_task(task, "home", 400)
    planned = distil_dag("plan", task, "--run", "demo", "--json", *teacher.settings(), cwd=tmp_path)
    assert planned.code == 0, planned.err
    plan = json.loads(planned.out)
    judging = plan["forecasts"][0]
    assert plan["traces"] == 400
    assert judging["probe"]["calls"] >= 20
    assert judging["tokens"]["value"] == pytest.approx(
        judging["calls"]["value"] * (PROMPT + ANSWER), rel=0.01
    )
    assert judging["money"]["value"] == pytest.approx(judging["calls"]["value"] * 0.12, rel=0.01)
    assert plan["tokens"]["value"] == pytest.approx(sum(f["tokens"]["value"] for f in plan["forecasts"]))
    told = distil_dag("plan", task, "--run", "demo", *teacher.settings(), cwd=tmp_path)
    assert "judging" in told.out
    assert "not pay for them again" in told.out.replace("\n", " ")

    before = len(teacher.asked)
    limit = ["--set", "budget.tokens=1"]
    stopped = distil_dag("run", task, "--run", "demo", "--json", *teacher.settings(), *limit, cwd=tmp_path)
    assert stopped.code == 3, stopped.err
    result = json.loads(stopped.out)
    assert result["resumable"] == "budget.tokens"
    assert "budget of 1 tokens is reached" in result["error"]
    assert "--set judge.kind=rubric" in result["error"]
    assert len(teacher.asked) - before <= 64
    (row,) = json.loads(distil_dag("runs", "--json", cwd=tmp_path).out)
    assert (row["run"], row["status"], row["resumable"]) == ("home.demo", "failure", "budget.tokens")
    assert "resumable" in distil_dag("runs", cwd=tmp_path, COLUMNS="200").out

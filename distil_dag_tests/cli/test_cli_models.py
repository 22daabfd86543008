"""`distil-dag eval` and `predict`, against a real HTTP server and real weights."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from distil_dag.adapters.llamacpp.embedded_weights import embedded_gguf
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.serving.answering import CONTEXT
from distil_dag.cli.task_folders import find_task
from distil_dag.core.confidence import Confidence
from distil_dag.core.context import ContextRule
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.resources.deployment import deployment
from distil_dag_tests.adapters.llamacpp.tiny_gguf import write_tiny_gguf
from distil_dag_tests.automation.test_automation import write_task
from distil_dag_tests.cli.test_cli import Call, call

__all__ = ["call"]


class Server(BaseHTTPRequestHandler):
    """Turns everything on that a user names, as an OpenAI-compatible server says it."""

    served: tuple[str, ...] = ("house-model",)
    asked: list[dict[str, object]]

    def do_GET(self) -> None:
        self._reply({"object": "list", "data": [{"id": name, "object": "model"} for name in self.served]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        device = body["messages"][-1]["content"].rsplit(" ", 1)[-1]
        arguments = json.dumps({"device": device})
        call = {"id": "1", "type": "function", "function": {"name": "turn_on", "arguments": arguments}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        self._reply({"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]})

    def _reply(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Server.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving
        serving.shutdown()


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    write_task(tmp_path / "home_task", "home", 1, evaluation={"max_new_tokens": 16})
    rows = [
        {"question": f"turn on {device}", "answer": {"name": "turn_on", "arguments": {"device": right}}}
        for device, right in (("lamp", "lamp"), ("fan", "fan"), ("it", "radio"))
    ]
    (tmp_path / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "cases.jsonl"


def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}/v1"


def test_eval_of_an_endpoint_is_one_json_object(call: Call, server: ThreadingHTTPServer, cases: Path) -> None:
    said = call("eval", cases, "--task", cases.parent / "home_task", "--endpoint", url(server), "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)
    assert result["model"].startswith("house-model@127.0.0.1")
    assert result["n"] == 3
    exact = result["tool_call_equivalence"]
    assert exact["value"] == pytest.approx(2 / 3)
    assert 0 < exact["low"] < exact["value"] < exact["high"] < 1
    assert set(result["latency_ms"]) == {"p50", "p95"}
    assert [failure["request"] for failure in result["failures"]] == ["turn on it"]
    assert Server.asked[-1]["tools"]


def test_eval_of_one_case(call: Call, server: ThreadingHTTPServer, cases: Path) -> None:
    rows = [{"id": f"c{n}", **json.loads(line)} for n, line in enumerate(cases.read_text().splitlines())]
    cases.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("eval", cases, "--task", cases.parent / "home_task", "--endpoint", url(server), "--json")
    said = call(*words, "--case", "c2")
    assert said.code == 0, said.err
    assert [row["case"] for row in json.loads(said.out)["failures"]] == ["c2"]
    assert json.loads(said.out)["n"] == 1
    said = call(*words, "--case", "c9")
    assert said.code == 2
    assert "holds no case with the id 'c9'" in said.err


def test_eval_reads_well_in_a_terminal(call: Call, server: ThreadingHTTPServer, cases: Path) -> None:
    said = call("eval", cases, "--task", cases.parent / "home_task", "--endpoint", url(server))
    assert said.code == 0
    assert "tool_call_equivalence" in said.out
    assert "66.7%" in said.out
    assert "turn on it" in said.out


def test_a_student_on_a_server_is_asked_closed_book(
    call: Call, server: ThreadingHTTPServer, cases: Path
) -> None:
    words = ("eval", cases, "--task", cases.parent / "home_task", "--endpoint", url(server), "--json")
    call(*words)
    assert [turn["role"] for turn in Server.asked[-1]["messages"]] == ["system", "user"]  # type: ignore[attr-defined]
    call(*words, "--closed-book")
    assert [turn["role"] for turn in Server.asked[-1]["messages"]] == ["user"]  # type: ignore[attr-defined]


def test_a_server_with_several_models_asks_which(
    call: Call, server: ThreadingHTTPServer, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "served", ("a", "b"))
    words = ("eval", cases, "--task", cases.parent / "home_task", "--endpoint", url(server))
    said = call(*words)
    assert said.code == 2
    assert "serves a, b: choose with --endpoint-model NAME" in said.err
    assert call(*words, "--endpoint-model", "b", "--json").code == 0
    assert Server.asked[-1]["model"] == "b"


def test_a_server_that_is_not_there(call: Call, cases: Path) -> None:
    address = "http://me:hunter2@127.0.0.1:9/v1"
    said = call("eval", cases, "--task", cases.parent / "home_task", "--endpoint", address)
    assert said.code == 2
    assert "http://me:***@127.0.0.1:9/v1 does not answer" in said.err


@pytest.mark.slow
def test_a_gguf_file_of_others_is_measured_and_asked(call: Call, cases: Path) -> None:
    words = ("--model", embedded_gguf(), "--task", cases.parent / "home_task", "--json")
    said = call("eval", cases, *words)
    assert said.code == 0, said.err
    assert json.loads(said.out)["n"] == 3
    said = call("predict", "turn on the lamp", *words)
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert set(told) == {"calls", "text", "error", "latency_ms", "probability", "confidence", "confident"}
    assert told["probability"] is None


def test_a_calibrated_student_says_whether_to_believe_it(call: Call, cases: Path) -> None:
    tools = find_task(str(cases.parent / "home_task"), deployment()).toolset.openai()
    known = Confidence(
        slope=1.0, intercept=1.0, threshold=-99.0, target_precision=0.9, cases=40, right=30, kept=20,
        kept_right=18,
    )  # fmt: skip
    values = {"distil_dag.run": "home.first", "distil_dag.tools": json.dumps(tools), **known.key_values()}
    model = write_tiny_gguf(cases.parent / "student.gguf", values)
    said = call("predict", "turn on the lamp", "--model", model, "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["confident"] is (told["error"] is None)
    assert told["confidence"] == pytest.approx(known.right_with(math.log(told["probability"])), abs=0.01)
    said = call("eval", cases, "--task", cases.parent / "home_task", "--model", model, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["confidence"]["calibrated_on"] == 40
    assert {"value", "low", "high"} == set(found["confidence"]["kept"])
    assert found["failures"][0]["confident"] is not None


def test_a_student_that_reads_system_prompts_is_given_one(call: Call, cases: Path) -> None:
    tools = find_task(str(cases.parent / "home_task"), deployment()).toolset.openai()
    values = {"distil_dag.run": "home.first", "distil_dag.tools": json.dumps(tools)}

    def probabilities(name: str, **more: str) -> list[float]:
        model = write_tiny_gguf(cases.parent / name, values | more)
        words = ("predict", "turn on the lamp", "--model", model, "--json")
        said = [call(*words), call(*words, "--system", "Rooms: the attic, the cellar and the hall.")]
        assert [one.code for one in said] == [0, 0]
        return [json.loads(one.out)["probability"] for one in said]

    without, given = probabilities("reads.gguf", **{CONTEXT: ContextRule(keeps="all").model_dump_json()})
    assert without != given
    without, given = probabilities("reads_nothing.gguf")
    assert without == given


def test_a_run_s_key_stands_for_its_student_its_test_and_its_task(call: Call, cases: Path) -> None:
    task = find_task(str(cases.parent / "home_task"), deployment())
    values = {"distil_dag.run": "home.first", "distil_dag.tools": json.dumps(task.toolset.openai())}
    store = RunStore(deployment().store)
    store.write_report("home.first", "traces", task, name="task")
    said = call("predict", "turn on the lamp", "--model", "home.first")
    assert said.code == 2
    assert "run home.first has exported no GGUF file yet" in said.err
    with store.new_folder("home.first", "gguf", "files") as folder:
        write_tiny_gguf(folder / "model-Q8_0.gguf", values)
    report = GgufReport(files=[], modelfile="", model_card="", lineage="", primary="model-Q8_0.gguf")
    store.write_report("home.first", "gguf", report)
    said = call("predict", "turn on the lamp", "--model", "home.first", "--json")
    assert said.code == 0, said.err
    words = ("eval", "home.first", "--model", "home.first", "--json")
    said = call(*words)
    assert said.code == 2
    assert "run home.first has not been evaluated yet" in said.err
    store.write_bytes("home.first", "eval_report", "test.jsonl", cases.read_bytes())
    said = call(*words)
    assert said.code == 0, said.err
    assert json.loads(said.out)["n"] == 3
    said = call("eval", cases, "--model", "home.first")
    assert said.code == 2
    assert "name the task with --task TASK" in said.err

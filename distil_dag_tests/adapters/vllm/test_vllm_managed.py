"""A real vLLM server, managed: nothing here is faked. One serves these tests, in their order."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import psutil
import pytest

from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.adapters.vllm.record import RECORD_FILE, ServerRecord
from distil_dag.adapters.vllm.server import ServerError
from distil_dag.core.case import Message
from distil_dag.core.settings import GateName, ModelSpec
from distil_dag.stages.ports import ChatModel, Prompt, Reply, unheeded
from distil_dag_tests.runs.household_task import write_household

# Loading and, after a kill, loading again: minutes on two busy cores.
pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}


def records(servers: Path) -> list[ServerRecord]:
    found = [ServerRecord.read(path.parent) for path in servers.glob(f"*/*/{RECORD_FILE}")]
    return [record for record in found if record]


def record_of(servers: Servers) -> ServerRecord:
    (record,) = records(servers.root)
    return record


def until(what: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


def requests(count: int) -> list[Prompt]:
    texts = (f"Name {number} animals." for number in range(count))
    return [Prompt((Message(role="user", content=text),), max_tokens=24) for text in texts]


def answered(replies: list[Reply]) -> bool:
    return all(reply.finish != "error" and reply.text.strip() for reply in replies)


def test_it_starts_and_generates(vllm_chat: ChatModel, vllm_servers: Servers) -> None:
    assert answered(vllm_chat.generate(requests(24)))
    record = record_of(vllm_servers)
    assert record.state == "ready"
    assert len(record.processes) >= 2  # the engine has a process of its own
    assert vllm_chat.identity.startswith("checkpoint@sha256:")
    (log,) = vllm_servers.logs.values()
    key = record.key.get_secret_value()
    assert key not in log.read_text(errors="replace")
    assert all(key not in " ".join(psutil.Process(mark.pid).cmdline()) for mark in record.processes)


def test_a_schema_is_kept_to(vllm_chat: ChatModel) -> None:
    asked = (Message(role="user", content="How many apples are there, and of which colour? Invent it."),)
    for reply in vllm_chat.generate([Prompt(asked, schema=COLOUR, max_tokens=64, temperature=1.0)] * 4):
        said = json.loads(reply.text)
        assert said["colour"] in ("red", "green")
        assert isinstance(said["count"], int)


def test_a_teacher_asked_with_tools_answers_though_no_parser_of_calls_was_chosen(
    vllm_chat: ChatModel,
) -> None:
    tool = {"type": "function", "function": {"name": "light_on", "parameters": {"type": "object"}}}
    asked = (Message(role="user", content="Turn the light in the hall on."),)
    plain, with_tools = vllm_chat.generate(
        [Prompt(asked, max_tokens=32), Prompt(asked, max_tokens=32, tools=(tool,))]
    )
    assert answered([plain, with_tools]), with_tools.error


def test_a_given_text_is_scored(vllm_chat: ChatModel) -> None:
    asked = Prompt((Message(role="user", content="What is the capital of France?"),))
    good, bad = vllm_chat.score(
        [(asked, "The capital of France is Paris."), (asked, "Wombat clarinet sixty.")]
    )
    assert 0 > good.logprob / good.tokens > bad.logprob / bad.tokens


def test_killed_mid_batch_it_comes_back_and_no_reply_is_lost(
    vllm_chat: ChatModel, vllm_servers: Servers
) -> None:
    before = record_of(vllm_servers)
    heard: list[int] = []

    def kill_once(place: int, reply: Reply) -> None:
        heard.append(place)
        if len(heard) == 5:
            os.kill(before.processes[0].pid, signal.SIGKILL)

    assert answered(vllm_chat.generate(requests(60), kill_once))
    assert sorted(heard) == list(range(60))
    after = record_of(vllm_servers)
    assert (after.starts, after.port) == (before.starts + 1, before.port)
    assert not any(mark.alive() for mark in before.processes)


def test_a_request_that_ends_the_engine_takes_nobody_along(
    vllm_chat: ChatModel, vllm_spec: ModelSpec, vllm_servers: Servers
) -> None:
    before = record_of(vllm_servers)
    body = {
        "model": vllm_spec.model,
        "messages": [{"role": "user", "content": "word " * 1000}],
        "seed": 1,
        "temperature": 1,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{before.port}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Bearer {before.key.get_secret_value()}",
        },
    )

    def crash_once(place: int, reply: Reply, crashed: list[int] = []) -> None:  # noqa: B006
        crashed.append(place)
        if len(crashed) == 5:
            # On a CPU a seed ends the engine when its prompt is so long that it is read in pieces.
            threading.Thread(target=lambda: _ignore(request), daemon=True).start()

    assert answered(vllm_chat.generate(requests(60), crash_once))
    until(lambda: record_of(vllm_servers).starts > before.starts, 60)
    assert answered(vllm_chat.generate(requests(4), unheeded))


def _ignore(request: urllib.request.Request) -> None:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(request, timeout=60).close()


def test_a_killed_run_takes_its_server_along(
    vllm_servers: Servers, vllm_run: subprocess.Popen[bytes]
) -> None:
    record = record_of(vllm_servers)
    assert all(mark.alive() for mark in record.processes)
    vllm_run.kill()
    vllm_run.wait()
    until(lambda: not any(mark.alive() for mark in (record.supervisor, *record.processes)), 60)
    assert record_of(vllm_servers).reason == "its run has ended"


def test_settings_that_it_refuses_are_told_with_its_own_words(vllm_spec: ModelSpec, tmp_path: Path) -> None:
    wrong = vllm_spec.model_copy(update={"arguments": ("--dtype", "float7")})
    with (
        open_chat(wrong, None, Servers(tmp_path, "run")) as chat,
        pytest.raises(ServerError, match="ended before it was ready(.|\n)*float7"),
    ):
        chat.generate(requests(1))


def test_the_steps_of_a_run_share_one_server_which_ends_before_training(
    vllm_spec: ModelSpec, tmp_path: Path
) -> None:
    """Judging and synthesis in their own processes; then SIGTERM to the run."""
    settings = {
        "name": "household",
        "traces": {"kind": "files", "path": "log.jsonl", "format": "messages"},
        "teacher": vllm_spec.model_dump(mode="json", include={"mode", "model", "executable", "arguments"}),
        "test": {"size": 8},
        "judge": {"seeds": 12, "sample": 24, "reask": 0},
        "synthesis": {"rows": 8, "batch": 8},
        "training": {"trained_layers": 1, "epochs": 50.0, "least_seen": 0, "batch_size": 4},
        "gates": {"soft": list(get_args(GateName))},
    }
    task = write_household(tmp_path / "household", settings, traces=60)
    home = tmp_path / "home"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from distil_dag.cli import main; main()",
            "run",
            str(task),
            "--run",
            "household.a",
        ],
        cwd=tmp_path,
        env={**os.environ, "DISTIL_DAG_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if "training in" in line:
            break
    else:
        pytest.fail("".join(said))
    (record,) = records(home / "servers")
    assert (record.starts, record.state, record.reason) == (1, "stopped", "it was released")
    assert any("ended 1 model server" in line for line in said)
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.communicate(timeout=120)
    until(lambda: not any(child.is_running() for child in children), 60)
    assert not record.supervisor.alive()

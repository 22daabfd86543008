"""A managed model answers every prompt, whatever happens to its server meanwhile."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.adapters.vllm.record import RECORD_FILE, ServerRecord
from distil_dag.adapters.vllm.server import ServerError
from distil_dag.core.case import Message
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import Prompt, Reply
from distil_dag_tests.paths import FAKE_VLLM


def spec(*arguments: str, **settings: object) -> ModelSpec:
    served = {"mode": "managed", "model": "a/model", "executable": f"{sys.executable} {FAKE_VLLM}"}
    return ModelSpec.model_validate({**served, "arguments": arguments, "max_in_flight": 8, **settings})


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt(messages=(Message(role="user", content=text),)) for text in texts]


def backwards(*texts: str) -> list[str]:
    return [text[::-1] for text in texts]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    mine = Servers(tmp_path / "servers", "run", idle_seconds=60)
    yield mine
    mine.release()


def record_of(servers: Servers) -> ServerRecord | None:
    found = [ServerRecord.read(path.parent) for path in servers.root.glob(f"*/*/{RECORD_FILE}")]
    return found[0] if found else None


def test_replies_that_are_known_start_no_server(servers: Servers, tmp_path: Path) -> None:
    texts = [f"request {number}" for number in range(20)]
    with open_chat(spec(), tmp_path / "cache", servers) as chat:
        assert [reply.text for reply in chat.generate(prompts(*texts))] == backwards(*texts)
        first = chat.identity
    servers.release()
    # Another run, another port: the model is the same, and so are its replies.
    other = Servers(servers.root, "other")
    with open_chat(spec(), tmp_path / "cache", other) as chat:
        assert [reply.text for reply in chat.generate(prompts(*texts))] == backwards(*texts)
        assert chat.identity == first == "a/model@main"
    assert not other.logs


def test_tools_are_taken_by_a_server_without_a_parser_of_calls(servers: Servers) -> None:
    tool = {"type": "function", "function": {"name": "light_on", "parameters": {"type": "object"}}}
    asked = Prompt((Message(role="user", content="a request"),), tools=(tool,))
    with open_chat(spec(), None, servers) as chat:
        assert [(reply.text, reply.error) for reply in chat.generate([asked])] == [("tseuqer a", "")]


def test_the_servers_key_stays_between_client_and_server(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of another service")
    caplog.set_level("DEBUG")
    with open_chat(spec(), None, servers) as chat:
        assert [reply.text for reply in chat.generate(prompts("a request"))] == backwards("a request")
        record = record_of(servers)
        assert record is not None
        key = record.key.get_secret_value()
        assert key
        assert key not in " ".join(os.environ.values())
        assert key not in repr((chat, vars(chat)))
        assert key not in repr(psutil.Process().cmdline())
    assert key not in caplog.text


def test_no_proxy_comes_between(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        """Answers for every server, so that one that is asked shows, and nobody waits."""

        def do_GET(self) -> None:
            asked.append(self.path)
            message = {"role": "assistant", "content": "the proxy's"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            answer = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
            body = json.dumps({**answer, "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
        with open_chat(spec(), None, servers) as chat:
            assert [reply.text for reply in chat.generate(prompts("a request"))] == backwards("a request")
        proxy.shutdown()
    assert asked == []


def test_identity_is_the_revision_or_the_content(servers: Servers, tmp_path: Path) -> None:
    def identity(**settings: object) -> str:
        with open_chat(spec(**settings), None, servers) as chat:
            return chat.identity

    assert identity(revision="0123abc") == "a/model@0123abc"
    for name, content in (("one", b"weights"), ("two", b"others")):
        folder = tmp_path / name / "model"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(content)
    one, two = (identity(model=str(tmp_path / name / "model")) for name in ("one", "two"))
    assert one.startswith("model@sha256:")
    assert one != two
    assert str(tmp_path) not in one


def test_a_server_killed_mid_batch_costs_no_reply(servers: Servers, tmp_path: Path) -> None:
    texts = [f"request {number}" for number in range(60)]
    heard: list[int] = []

    def kill_once(place: int, reply: Reply) -> None:
        heard.append(place)
        if len(heard) == 10:
            record = record_of(servers)
            assert record
            os.kill(record.processes[0].pid, signal.SIGKILL)

    with open_chat(spec("--seconds", "0.05"), tmp_path, servers) as chat:
        replies = chat.generate(prompts(*texts), kill_once)
    assert [reply.text for reply in replies] == backwards(*texts)
    assert sorted(heard) == list(range(60))
    record = record_of(servers)
    assert record
    assert record.starts == 2


def test_a_killed_supervisor_costs_no_reply(servers: Servers) -> None:
    texts = [f"request {number}" for number in range(60)]
    heard: list[int] = []

    def kill_once(place: int, reply: Reply) -> None:
        heard.append(place)
        if len(heard) == 10:
            record = record_of(servers)
            assert record
            os.kill(record.supervisor.pid, signal.SIGKILL)

    with open_chat(spec("--seconds", "0.05"), None, servers) as chat:
        replies = chat.generate(prompts(*texts), kill_once)
    assert [reply.text for reply in replies] == backwards(*texts)
    assert sorted(heard) == list(range(60))


@pytest.mark.parametrize("fault", ["poisoned", "crashing"])
def test_a_request_that_ends_the_server_is_the_only_one_lost(fault: str, servers: Servers) -> None:
    texts = [*(f"request {number}" for number in range(12)), "poison", *(f"late {n}" for n in range(12))]
    with open_chat(spec("--fault", fault, "--seconds", "0.02"), None, servers) as chat:
        replies = chat.generate(prompts(*texts))
        # The server is there for the next batch as well.
        assert chat.generate(prompts("once more"))[0].text == "erom ecno"
    lost = [text for text, reply in zip(texts, replies, strict=True) if reply.finish == "error"]
    assert lost == ["poison"]
    assert [r.text for r in replies if r.finish != "error"] == backwards(*(t for t in texts if t != "poison"))


def test_a_server_that_does_not_come_back_ends_the_batch_with_its_last_words(servers: Servers) -> None:
    done = threading.Event()

    def keep_killing() -> None:
        killed = 0
        while not done.is_set():
            record = record_of(servers)
            if record and record.state == "ready" and record.starts > killed:
                killed = record.starts
                os.kill(record.processes[0].pid, signal.SIGKILL)
            time.sleep(0.02)

    with open_chat(spec("--seconds", "0.5"), None, servers) as chat:
        killer = threading.Thread(target=keep_killing)
        killer.start()
        try:
            with pytest.raises(ServerError, match=r"last of 7 times(.|\n)*loading a/model"):
                chat.generate(prompts(*(f"request {number}" for number in range(200))))
        finally:
            done.set()
            killer.join()

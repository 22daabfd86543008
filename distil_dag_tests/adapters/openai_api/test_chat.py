"""The endpoint client: what it sends and reads, in each engine's dialect; and a real server."""

from __future__ import annotations

import base64
import importlib.util
import json
import math
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.adapters.openai_api.chat import EndpointChat
from distil_dag.adapters.openai_api.endpoint import Patience
from distil_dag.adapters.openai_api.prompt_logprobs import CannotScoreError
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Message
from distil_dag.core.settings import ModelSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.ports import Prompt, Reply, Score
from distil_dag_tests.adapters.openai_api.faulty_server import Answer, Server, completion, echo, free_port

SECRET = "sk-very-secret-0123456789"


# For servers that are gone for good: a test must not wait as a run would.
HURRIED = Patience(known=1.0, unknown=1.0, shortest_wait=0.01, longest_wait=0.1)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(answer: Answer, **options: Any) -> Server:
        servers.append(Server(answer, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def chat(server: Server, **options: Any) -> EndpointChat:
    settings = {"model": "big", "base_url": server.url, "api_key_env": "TEACHER_KEY", "timeout_seconds": 5}
    return EndpointChat(ModelSpec(mode="attached", **{**settings, **options}), HURRIED)


def ask(words: str, **options: Any) -> Prompt:
    return Prompt((Message(role="user", content=words),), **options)


def test_replies_come_in_order_with_no_more_in_flight_than_allowed(serve: Any) -> None:
    def slow(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(0.02 * (len(body["messages"][-1]["content"]) % 3))
        return echo(path, body)

    server = serve(slow)
    words = ["a" * length for length in range(1, 21)]
    replies = chat(server, max_in_flight=4).generate([ask(word) for word in words])
    assert [reply.text for reply in replies] == [word.upper() for word in words]
    assert replies[0] == Reply("A", "stop", 5, 2)
    assert 2 <= server.most_in_flight <= 4


def test_what_is_asked_for_is_sent_and_seed_is_not(serve: Any) -> None:
    server = serve(echo)
    tool = {"type": "function", "function": {"name": "lamp", "parameters": {"type": "object"}}}
    schema = {"type": "object", "properties": {}}
    chat(server).generate(
        [
            ask(
                "hi",
                max_tokens=7,
                temperature=0.5,
                top_p=0.9,
                seed=3,
                stop=("x",),
                schema=schema,
                tools=(tool,),
            )
        ]
    )
    path, body, headers = server.requests[0]
    assert path == "/v1/chat/completions"
    assert body == {
        "model": "big",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["x"],
        "tools": [tool],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        },
    }
    assert headers["authorization"] == f"Bearer {SECRET}"


def test_each_tool_result_names_its_call(serve: Any) -> None:
    on, off = ToolCall(name="on"), ToolCall(name="off")
    history = (
        Message(role="user", content="both"),
        Message(role="assistant", tool_calls=(on, off)),
        Message(role="tool", content="is on"),
        Message(role="tool", content="is off"),
        Message(role="assistant", tool_calls=(on,)),
        Message(role="tool", content="is on again"),
    )
    server = serve(echo)
    with chat(server) as model:
        model.generate([Prompt(history)])
    turns = server.requests[0][1]["messages"]
    calls = [call["id"] for turn in turns for call in turn.get("tool_calls", [])]
    assert len(set(calls)) == 3
    assert [turn["tool_call_id"] for turn in turns if turn["role"] == "tool"] == calls


def test_tool_calls_come_back_in_the_hermes_form(serve: Any) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "lamp", "arguments": '{"on": true}'}}
    server = serve(lambda *_: (200, completion(None, "tool_calls", tool_calls=[call, call])))
    (reply,) = chat(server).generate([ask("hi")])
    assert parse_answer(reply.text).calls == (ToolCall(name="lamp", arguments={"on": True}),) * 2


@pytest.mark.parametrize(("owner", "extra"), [("vllm", True), ("me", False)])
def test_prefill(serve: Any, owner: str, extra: bool) -> None:
    server = serve(lambda *_: (200, completion("Well, yes")), owner=owner)
    replies = chat(server).generate([ask("hi", prefill="Well,"), ask("hi", prefill="Oh")])
    bodies = [body for _, body, _ in server.requests]
    assert {reply.text for reply in replies} == {" yes", "Well, yes"}
    assert all(body["messages"][-1]["role"] == "assistant" for body in bodies)
    assert all(("continue_final_message" in body) is extra for body in bodies)


def test_a_list_of_models_that_fails_once_is_asked_again(serve: Any) -> None:
    server = serve(lambda *_: (200, completion("Well, yes")), owner="vllm")
    server.list_faults = 2
    chat(server).generate([ask("hi", prefill="Well,")])
    assert server.requests[0][1]["continue_final_message"] is True


@pytest.mark.parametrize(
    ("owner", "sent"), [("vllm", False), ("somebody", False), ("llamacpp", True), ("library", True)]
)
def test_a_seed_goes_only_where_it_does_no_harm(serve: Any, owner: str, sent: bool) -> None:
    server = serve(echo, owner=owner)
    chat(server).generate([ask("hi", temperature=0.5, seed=3)])
    assert ("seed" in server.requests[0][1]) is sent


def test_a_schema_is_sent_in_the_form_that_the_engine_knows(serve: Any) -> None:
    server = serve(echo, owner="me")
    chat(server).generate([ask("hi", schema={"type": "object"})])
    form = server.requests[0][1]["response_format"]
    assert form == {"type": "json_object", "schema": {"type": "object"}}


UNREADABLE_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}


@pytest.mark.parametrize(
    ("status", "value"),
    [
        (500, {"error": "broken"}),
        (401, {"error": {"message": f"bad key {SECRET}"}}),
        (400, {"error": {"message": "x" * 10_000}}),
        (200, b"<html>not JSON</html>"),
        (200, b"\xff\xfe\x00"),
        (200, {"choices": []}),
        (200, {"choices": None}),
        (200, {"choices": [{"message": None, "finish_reason": "stop", "index": 0}]}),
        (200, []),
        (200, None),
        (200, completion(None, tool_calls=[UNREADABLE_CALL])),
    ],
)
def test_a_failed_request_costs_only_its_own_reply(serve: Any, status: int, value: Any) -> None:
    def answer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return (status, value) if body["messages"][-1]["content"] == "bad" else echo(path, body)

    good, bad, other = chat(serve(answer)).generate([ask("a"), ask("bad"), ask("b")])
    assert (good.text, other.text) == ("A", "B")
    assert bad.finish == "error"
    assert bad.error
    assert len(bad.error) < 600
    assert SECRET not in bad.error


def test_the_key_shows_nowhere(serve: Any) -> None:
    model = chat(serve(echo), base_url="https://user:password@host.example:8443/v1/")
    shown = f"{model!r} {model} {model.identity}"
    assert SECRET not in shown
    assert "password" not in shown
    assert model.identity == "big@host.example:8443/v1"


def test_a_password_of_an_address_comes_from_the_environment(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY", "user:hunter%402@")
    server = serve(echo)
    model = chat(server, base_url=server.url.replace("http://", "http://${PROXY}"))
    assert model.generate([ask("a")])[0].text == "A"
    said = base64.b64encode(b"user:hunter@2").decode()
    assert server.requests[-1][2]["authorization"] == f"Basic {said}"
    monkeypatch.delenv("PROXY")
    with pytest.raises(ValueError, match="base_url needs the environment variable PROXY"):
        chat(server, base_url="http://${PROXY}localhost/v1")


def test_an_address_that_is_none_is_told_of_without_its_password(serve: Any) -> None:
    with pytest.raises(ValueError, match="must be percent-encoded") as caught:
        chat(serve(echo), base_url="http://user:hunter2#@localhost:8000/v1")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("given", [{"base_url": "http://localhost/v1"}, {"model": "big"}])
def test_a_model_without_a_name_or_an_address_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="needs `base_url`, .* and `model`"):
        EndpointChat(ModelSpec(mode="attached", **given))


def test_an_endpoint_may_do_without_a_key(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEACHER_KEY")
    server = serve(echo)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)  # another server's key
    chat(server).generate([ask("a")])
    assert SECRET not in json.dumps(server.requests[0][2])


def imitated_vllm(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """vLLM's /tokenize and prompt_logprobs over a vocabulary of characters; 1 opens a turn, 2 ends it."""
    if path == "/tokenize":
        tokens: list[int] = []
        for turn in body["messages"]:
            tokens += [1, *map(ord, turn["content"]), 2, 10]
        if body["continue_final_message"]:
            tokens = tokens[:-2]
        if body["add_generation_prompt"]:
            tokens.append(1)
        return 200, {"tokens": tokens, "count": len(tokens), "max_model_len": 100}
    rows = [{str(token): {"logprob": -token / 100, "rank": 1}} for token in body["prompt"]]
    choice = {"index": 0, "text": "", "finish_reason": "length", "prompt_logprobs": [None, *rows[1:]]}
    return 200, {"id": "1", "object": "text_completion", "choices": [choice]}


@pytest.mark.parametrize("prefill", ["", "a"])
def test_scores_from_prompt_logprobs(serve: Any, prefill: str) -> None:
    (score,) = chat(serve(imitated_vllm, owner="vllm")).score([(ask("hello", prefill=prefill), "bc")])
    assert score.tokens == 3
    assert score.logprob == pytest.approx(-(ord("b") + ord("c") + 2) / 100)


@pytest.mark.parametrize(
    "answer",
    [
        lambda path, body: (404, {"detail": "Not Found"}),
        lambda path, body: (200, {"tokens": [1, 2, 3], "choices": [{"text": "no log-probabilities"}]}),
        lambda path, body: (200, b"garbage"),
    ],
)
def test_a_server_that_cannot_score_is_named_with_the_way_out(serve: Any, answer: Any) -> None:
    with pytest.raises(CannotScoreError, match=r"big@127\.0\.0\.1:.*judge\.kind: rubric"):
        chat(serve(answer, owner="vllm")).score([(ask("hello"), "bc"), (ask("hello"), "d")])


def test_a_server_of_another_kind_is_not_even_asked_to_score(serve: Any) -> None:
    server = serve(imitated_vllm, owner="me")
    with pytest.raises(CannotScoreError, match=r"llama-cpp-python.*judge\.kind: rubric"):
        chat(server).score([(ask("hello"), "bc")])
    assert server.requests == []


def test_a_text_beyond_the_context_scores_minus_infinity(serve: Any) -> None:
    scores = chat(serve(imitated_vllm, owner="vllm")).score([(ask("h" * 99), "bc"), (ask("h"), "bc")])
    assert scores[0] == Score(-math.inf, 0)
    assert math.isfinite(scores[1].logprob)


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    needed = ("llama_cpp", "fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the server of llama-cpp-python needs {', '.join(missing)}")
    from distil_dag.adapters.llamacpp.embedded_weights import embedded_gguf

    port = free_port()
    log = Path(tmp_path_factory.mktemp("server")) / "log"
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(embedded_gguf())]
    command += ["--port", str(port), "--n_ctx", "1024", "--model_alias", "small"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ})
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=1)
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.slow
def test_a_real_server_answers(real_server: str, tmp_path: Path) -> None:
    spec = ModelSpec(mode="attached", model="small", base_url=real_server)
    prompts = [ask(f"What is {number} and one?", max_tokens=8) for number in ("two", "three", "four")]
    room = {"type": "object", "properties": {"room": {"enum": ["kitchen", "attic"]}}, "required": ["room"]}
    shaped = ask("Which room?", max_tokens=40, schema=room | {"additionalProperties": False})
    with open_chat(spec, tmp_path) as model:
        replies = model.generate([*prompts, ask("word " * 3000)])
        assert model.generate(prompts) == replies[:3]
        (answer,) = model.generate([shaped])
    assert json.loads(answer.text)["room"] in ("kitchen", "attic")
    assert all(reply.text and reply.completion_tokens for reply in replies[:3])
    assert replies[3].finish == "error"
    assert "1024" in replies[3].error
    with open_chat(spec) as model, pytest.raises(CannotScoreError):
        model.score([(prompts[0], "three")])

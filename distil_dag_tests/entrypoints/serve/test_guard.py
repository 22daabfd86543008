"""A server on a network: tokens, limits, slow clients, and nothing of a request in any log."""

from __future__ import annotations

import json
import logging
import socket
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distil_dag.entrypoints.serve.rates import Rate
from distil_dag.entrypoints.serve.server import _Impatient
from distil_dag_tests.entrypoints.serve.conftest import (
    WORDS,
    Running,
    Shared,
    ask,
    gateway_of,
    served,
)
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher

PATH = "/v1/chat/completions"


def code(answer: Any) -> tuple[int, str | None]:
    return answer.status_code, answer.json()["error"]["code"]


def test_with_tokens_only_who_knows_one_may_ask(student: Shared, teacher: Teacher) -> None:
    with gateway_of([served(student, teacher)], tokens=("first", "of-a-client")) as (server, _):
        assert server.client.chat.completions.create(**ask()).choices
        for headers in ({}, {"authorization": "Bearer firs"}, {"authorization": "Basic first"}):
            answer = server.http.post(PATH, json=ask(), headers=headers)
            assert code(answer) == (401, "invalid_api_key")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert server.http.get("/metrics").status_code == 401
        assert server.http.get("/health").json() == {"status": "ok", "tasks": ["home"]}
        assert server.http.get("/health", headers={"host": "evil.example"}).status_code == 200
    assert len(teacher.requests) == 1


def test_without_tokens_pages_of_other_sites_get_nothing(student: Shared, teacher: Teacher) -> None:
    with gateway_of([served(student, teacher)]) as (server, _):
        rebound = server.http.post(PATH, json=ask(), headers={"host": "evil.example"})
        foreign = server.http.post(PATH, json=ask(), headers={"origin": "https://evil.example"})
        own = server.http.post(PATH, json=ask(), headers={"origin": "http://localhost:3000"})
    assert [one.status_code for one in (rebound, foreign, own)] == [421, 403, 200]
    assert len(teacher.requests) == 1


def test_a_request_that_is_too_large_is_413(student: Shared, teacher: Teacher) -> None:
    with gateway_of([served(student, teacher, limits={"body_bytes": 2000})]) as (server, _):
        assert server.http.post(PATH, json=ask()).status_code == 200
        told = server.http.post(PATH, json=ask(user="x" * 2000))
        streamed = server.http.post(PATH, content=iter([b"x" * 1500, b"x" * 1500]))
    assert code(told) == code(streamed) == (413, "request_too_large")


def test_too_many_requests_are_429_with_a_time_to_wait(student: Shared, teacher: Teacher) -> None:
    teacher.gate.clear()
    with gateway_of([served(student, teacher, limits={"in_flight": 1})]) as (server, _):
        stream = server.client.chat.completions.create(**ask(stream=True))
        next(iter(stream))
        full = server.http.post(PATH, json=ask())
        teacher.gate.set()
        list(stream)
        assert server.http.post(PATH, json=ask()).status_code == 200
    with gateway_of([served(student, teacher, limits={"requests_per_minute": 2})]) as (server, _):
        paced = [server.http.post(PATH, json=ask()) for _ in range(3)]
    with gateway_of([served(student, teacher, limits={"tokens_per_minute": 1000})]) as (server, log):
        spent = [server.http.post(PATH, json=ask())]
        log.wait(1)
        spent.append(server.http.post(PATH, json=ask()))
    assert code(full) == (429, "too_many")
    assert full.headers["retry-after"] == "1"
    assert [one.status_code for one in paced] == [200, 200, 429]
    assert 1 <= int(paced[2].headers["retry-after"]) <= 30
    assert [one.status_code for one in spent] == [200, 429]  # an answer of 1,010 tokens
    assert int(spent[1].headers["retry-after"]) >= 1


def test_a_caller_waits_off_what_it_owes() -> None:
    now = [0.0]
    rate = Rate(60, lambda: now[0])
    rate.take("a", 90)
    assert rate.wait("a") == 31
    assert rate.wait("b") == 0
    now[0] = 31
    assert rate.wait("a") == 0
    now[0] = 10_000
    rate.take("a", 60)  # no more than a minute's worth is saved up
    assert rate.wait("a") == 1


def test_slow_clients_are_let_go(student: Shared, teacher: Teacher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Impatient, "seconds", 0.3)
    with gateway_of([served(student, teacher, limits={"slow_seconds": 0.3})]) as (server, _):
        address = server.server.servers[0].sockets[0].getsockname()
        for sent in (b"", b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-A: "):
            with socket.create_connection(address, timeout=10) as client:
                client.sendall(sent)
                assert client.recv(100) == b""
        with socket.create_connection(address, timeout=10) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"
            )
            assert client.recv(100).startswith(b"HTTP/1.1 408 ")
        assert server.http.post(PATH, json=ask()).status_code == 200


def test_nothing_of_a_request_is_in_a_log(
    student: Shared, teacher: Teacher, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "distil_dag")
    caplog.set_level(logging.DEBUG, "uvicorn")
    with gateway_of([served(student, teacher)]) as (server, log):
        server.client.chat.completions.create(**ask())
        server.client.chat.completions.create(**ask(tools=[{"type": WORDS}]))
        server.http.post(PATH, content=WORDS)
        log.wait(2)
        text = server.http.get("/metrics").text
    said = caplog.text + "".join(capfd.readouterr()) + text
    assert "kitchen" not in said
    assert "of-a-client" not in said
    assert 'distil_dag_answers_total{answered_by="teacher",task="home",why="not proved yet"} 1.0' in text


def test_a_failure_of_the_server_is_500_and_told_without_words(
    student: Shared,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(WORDS)

    with gateway_of([served(student, None)]) as (server, _):
        monkeypatch.setattr(server.gateway.served[0].current.check, "of", fail)
        answer = server.http.post(PATH, json=ask())
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert "a request failed: RuntimeError" in caplog.text
    assert "kitchen" not in caplog.text + answer.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (b"", None),
        (b"\xff", None),
        (b"[]", None),
        (b'{"model": "home"}', "messages"),
        (b'{"model": "home", "messages": []}', "messages"),
        (b'{"model": "home", "messages": ["a"]}', "messages"),
        (b'{"messages": [{"role": "user"}]}', "model"),
        (b'{"model": "home", "messages": [{"role": "user"}], "stream": "yes"}', "stream"),
        (b"[" * 100_000, None),
    ],
)
def test_what_is_no_request_is_400(alone_at: Running, content: bytes, param: str | None) -> None:
    answer = alone_at.http.post(PATH, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_routes_that_are_not_there_are_errors_in_openai_s_form(alone_at: Running) -> None:
    assert alone_at.http.post("/v1/embeddings", json={}).json()["error"]["type"] == "invalid_request_error"
    assert alone_at.http.get(PATH).status_code == 405
    with pytest.raises(openai.NotFoundError):
        alone_at.client.models.retrieve("none")


@pytest.fixture(scope="module")
def alone_at(student: Shared) -> Any:
    with gateway_of([served(student, None)]) as (server, _):
        yield server


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", "none"])
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": ROLES | JSON},
        optional={"content": st.just(WORDS) | JSON, "tool_calls": JSON, "tool_call_id": JSON, "name": JSON},
    )
    | JSON,
    max_size=3,
)
BODIES = st.fixed_dictionaries(
    {"model": st.just("home")},
    optional={
        "messages": MESSAGES | JSON,
        "tools": st.just(ask()["tools"]) | JSON,
        "tool_choice": st.sampled_from(["auto", "none", "required"]) | JSON,
        "stream": JSON,
        "stream_options": JSON,
        "n": JSON,
        "max_tokens": st.integers(1, 4) | JSON,
        "response_format": JSON,
        "metadata": JSON,
    },
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
@given(body=BODIES)
def test_no_body_makes_it_fail(alone_at: Running, body: dict[str, Any]) -> None:
    answer = alone_at.http.post(PATH, content=json.dumps(body))
    assert answer.status_code < 500, answer.text


def test_a_body_of_broken_text_reaches_nobody_broken(student: Shared, teacher: Teacher) -> None:
    """Half a surrogate pair is JSON, and no text."""
    body = json.dumps(ask(user="\ud800"))
    with gateway_of([served(student, teacher)]) as (server, _):
        answer = server.http.post(PATH, content=body)
    assert answer.status_code in (200, 400)


def test_the_description_of_the_api_names_its_routes(alone_at: Running) -> None:
    paths = alone_at.http.get("/openapi.json").json()["paths"]
    assert {"/v1/chat/completions", "/v1/models", "/v1/models/{name}", "/health", "/metrics"} <= set(paths)

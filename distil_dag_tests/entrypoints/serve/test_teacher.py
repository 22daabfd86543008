"""The teacher behind the server: its key, its errors, its absence, and clients that leave."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import openai
import pytest

from distil_dag_tests.entrypoints.serve.conftest import Shared, ask, gateway_of, served, wait_for
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher

SECRET = "sk-teacher-0123456789"


def test_the_teacher_gets_its_own_key_and_not_the_client_s(
    student: Shared, teacher: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with gateway_of([served(student, teacher)]) as (server, _):
        server.client.chat.completions.create(**ask())
    with gateway_of([served(student, teacher, forward_authorization=True)]) as (server, _):
        server.client.chat.completions.create(**ask())
    sent = [headers["authorization"] for _, _, headers in teacher.requests]
    assert sent == [f"Bearer {SECRET}", "Bearer of-a-client"]


def test_an_error_of_the_teacher_is_passed_on(student: Shared, teacher: Teacher) -> None:
    teacher.status, teacher.headers = 429, {"retry-after": "7"}
    with gateway_of([served(student, teacher)]) as (server, log):
        with pytest.raises(openai.RateLimitError) as error:
            server.client.chat.completions.create(**ask())
        teacher.status, teacher.headers = 400, {}
        with pytest.raises(openai.BadRequestError, match="told to fail"):
            server.client.chat.completions.create(**ask(stream=True))
        assert server.gateway.served[0].teacher.is_up
    assert error.value.response.headers["retry-after"] == "7"
    assert log.exchanges == []


def test_a_teacher_that_is_down_is_503_and_is_tried_again_after_a_rest(
    student: Shared, teacher: Teacher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    teacher.status = 500
    with gateway_of([served(student, teacher)]) as (server, _):
        for _ in range(3):
            assert server.http.post("/v1/chat/completions", json=ask()).status_code == 500
        asked = len(teacher.requests)
        left = server.http.post("/v1/chat/completions", json=ask())
        assert len(teacher.requests) == asked  # it is left alone
        assert server.metric("teacher_up", task="home") == 0
        teacher.status = 200
        wait_for(lambda: server.http.post("/v1/chat/completions", json=ask()).status_code == 200)
        assert server.metric("teacher_up", task="home") == 1
    assert left.status_code == 503
    assert int(left.headers["retry-after"]) >= 1
    assert left.json()["error"]["code"] == "teacher_down"
    assert "is left alone for a while: status 500" in caplog.text
    assert SECRET not in caplog.text


def test_the_student_takes_its_place_where_it_may(student: Shared, teacher: Teacher) -> None:
    teacher.stop()
    with gateway_of([served(student, teacher, alone_without_teacher=True)]) as (server, log):
        raw = server.client.chat.completions.with_raw_response.create(**ask())
        (exchange,) = log.wait(1)
        with pytest.raises(openai.InternalServerError) as error:
            server.client.chat.completions.create(**ask(n=2))
    assert (raw.headers["x-distil-dag-answered-by"], exchange.why) == ("student", "teacher is down")
    assert error.value.status_code == 503


def test_a_client_that_leaves_a_stream_ends_the_call_to_the_teacher(
    student: Shared, teacher: Teacher
) -> None:
    teacher.gate.clear()
    with gateway_of([served(student, teacher)]) as (server, log):
        stream = server.client.chat.completions.create(**ask(stream=True))
        next(iter(stream))
        stream.close()
        wait_for(teacher.broken.is_set)
        wait_for(lambda: server.metric("disconnected_total") == 1)
        assert server.gateway.served[0].current.users == 0
    assert log.exchanges == []


def test_a_client_that_leaves_before_the_answer_ends_the_search_for_it(
    student: Shared, teacher: Teacher
) -> None:
    teacher.seconds = 0.5
    with gateway_of([served(student, teacher)]) as (server, log):
        body = json.dumps(ask()).encode()
        with socket.create_connection(server.server.servers[0].sockets[0].getsockname()) as client:
            head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            wait_for(lambda: teacher.requests)
        wait_for(lambda: server.metric("disconnected_total") == 1)
        time.sleep(0.6)
    assert log.exchanges == []


def test_a_teacher_that_breaks_off_is_an_error_in_the_stream(student: Shared, teacher: Teacher) -> None:
    whole = teacher.completion

    def broken(body: dict[str, Any]) -> dict[str, Any]:
        found = whole(body)
        found["choices"][0]["message"]["tool_calls"].append({})  # the stand-in fails there
        return found

    teacher.completion = broken  # type: ignore[method-assign]
    with gateway_of([served(student, teacher)]) as (server, log):
        stream = server.client.chat.completions.create(**ask(stream=True))
        with pytest.raises(openai.APIError, match="broke off"):
            list(stream)
        assert server.gateway.served[0].current.users == 0
    assert log.exchanges == []

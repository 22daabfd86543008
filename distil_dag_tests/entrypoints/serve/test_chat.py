"""Chat completions by the real `openai` client, at first: the teacher's words as they come."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from distil_dag.stages.serving.completions import assembled
from distil_dag.stages.serving.policy import TeacherOnly
from distil_dag_tests.entrypoints.serve.conftest import WORDS, Shared, ask, gateway_of, served
from distil_dag_tests.entrypoints.serve.policies import alone
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher


def test_at_first_the_teacher_is_heard_and_the_student_answers_in_its_shadow(
    student: Shared, teacher: Teacher
) -> None:
    with gateway_of([served(student, teacher)]) as (server, log):
        raw = server.client.chat.completions.with_raw_response.create(**ask())
        said = raw.parse()
        (exchange,) = log.wait(1)
    assert said.choices[0].message.tool_calls[0].function.name == "light_on"
    assert json.loads(said.choices[0].message.tool_calls[0].function.arguments) == {"room": "kitchen"}
    assert raw.headers["x-distil-dag-answered-by"] == "teacher"
    assert raw.headers["x-distil-dag-why"] == "not proved yet"
    path, body, _ = teacher.requests[0]
    assert (path, body) == ("/v1/chat/completions", {**ask(), "model": "big"})
    assert (exchange.answered_by, exchange.why, exchange.task) == ("teacher", "not proved yet", "home")
    assert exchange.id.startswith(said.id)
    assert exchange.request["messages"] == [{"role": "user", "content": WORDS}]
    assert exchange.response["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "light_on"
    assert exchange.other is not None
    room = json.loads(exchange.other["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    assert exchange.agrees is (room == {"room": "kitchen"})
    assert (exchange.prompt_tokens, exchange.completion_tokens) == (1000, 10)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("streamed", [False, True])
def test_curl_asks_the_teacher_and_then_the_student(
    student: Shared, teacher: Teacher, streamed: bool
) -> None:
    for policy, by in ((TeacherOnly, "teacher"), (alone, "student")):
        with gateway_of([served(student, teacher, policy)]) as (server, log):
            command = [
                "curl", "--silent", "--show-error", "--no-buffer", f"{server.url}/v1/chat/completions",
                "--header", "content-type: application/json", "--data", json.dumps(ask(stream=streamed)),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, check=True, timeout=60)
            (exchange,) = log.wait(1)
        said = assembled(done.stdout) if streamed else json.loads(done.stdout)
        assert said is not None
        assert said["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "light_on"
        assert exchange.answered_by == by


@pytest.mark.parametrize("with_usage", [False, True])
def test_a_stream_of_the_teacher_is_passed_on_as_it_comes(
    student: Shared, teacher: Teacher, with_usage: bool
) -> None:
    teacher.gate.clear()
    options = {"stream_options": {"include_usage": True}} if with_usage else {}
    with gateway_of([served(student, teacher)]) as (server, log):
        stream = iter(server.client.chat.completions.create(**ask(stream=True, **options)))
        first = next(stream)  # while the teacher holds back the rest
        assert first.choices[0].delta.tool_calls[0].function.name == "light_on"
        teacher.gate.set()
        rest = list(stream)
        (exchange,) = log.wait(1)
    arguments = [
        call.function.arguments
        for chunk in rest
        for choice in chunk.choices
        for call in choice.delta.tool_calls or []
    ]
    assert json.loads("".join(arguments)) == {"room": "kitchen"}
    assert (rest[-1].usage is not None) is with_usage
    call = exchange.response["choices"][0]["message"]["tool_calls"][0]["function"]
    assert (call["name"], json.loads(call["arguments"])) == ("light_on", {"room": "kitchen"})
    assert exchange.prompt_tokens == (1000 if with_usage else None)

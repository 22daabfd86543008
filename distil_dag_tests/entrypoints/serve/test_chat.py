"""Chat completions by the real `openai` client, at first: the teacher's words as they come."""

from __future__ import annotations

import json

import pytest

from distil_dag_tests.entrypoints.serve.conftest import WORDS, Shared, ask, gateway_of, served
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

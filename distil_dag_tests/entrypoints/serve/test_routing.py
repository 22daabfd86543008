"""Who answers, and why: what the student can't do, what it has proved, what becomes evidence."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from distil_dag_tests.entrypoints.serve.conftest import TOOLS, Shared, ask, gateway_of, served, wait_for
from distil_dag_tests.entrypoints.serve.policies import alone, not_sure
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher

PICTURE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
RESULT = [
    *ask()["messages"],
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "light_on", "arguments": '{"room": "hall"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": "done"},
]
RENAMED = [{"type": "function", "function": {**TOOLS[0]["function"], "name": "lamp_on"}}]
LEFT: list[tuple[dict[str, Any], str, str]] = [
    ({"tools": None}, "no tools", "no tools"),
    ({"tools": RENAMED}, "other tools", "missing: light_on; unknown: lamp_on"),
    ({"n": 2}, "several choices", "n is 1"),
    ({"logprobs": True}, "logprobs", "no logprobs"),
    ({"response_format": {"type": "json_object"}}, "response format", "in no other format"),
    ({"tool_choice": "none"}, "tool choice", "auto or required"),
    ({"tool_choice": {"type": "function", "function": {"name": "light_on"}}}, "tool choice", "auto"),
    ({"stop": ["x"]}, "other parameters", "stop"),
    ({"messages": [{"role": "user", "content": PICTURE}]}, "no text", "text and calls"),
    ({"messages": RESULT}, "wants words", "a tool's result"),
    ({"messages": [{"role": "system", "content": "Be kind."}]}, "no user turn", "no user's"),
    ({"messages": [{"role": "user", "content": "word " * 600}]}, "too long", "the context holds 512"),
]


@pytest.mark.parametrize(("changed", "why", "detail"), LEFT, ids=[f"{n}-{x[1]}" for n, x in enumerate(LEFT)])
def test_what_the_student_cannot_do_is_the_teachers_and_without_one_an_error_that_says_why(
    student: Shared, teacher: Teacher, changed: dict[str, Any], why: str, detail: str
) -> None:
    body = {key: value for key, value in {**ask(), **changed}.items() if value is not None}
    with gateway_of([served(student, teacher, alone)]) as (server, log):
        answer = server.http.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200 or why == "no user turn"  # where the stand-in finds no words
        assert server.metric("not_for_student_total", task="home", why=why) == 1
        if answer.status_code == 200:
            assert answer.headers["x-distil-dag-why"] == why
            assert log.wait(1)[0].why == why
    assert teacher.requests[0][1] == {**body, "model": "big"}
    with gateway_of([served(student, None)]) as (server, log):
        answer = server.http.post("/v1/chat/completions", json=body)
    assert 400 <= answer.status_code < 500
    error = answer.json()["error"]
    assert error["code"] == why.replace(" ", "_")
    assert detail in error["message"]
    assert log.exchanges == []


def test_the_order_of_tools_says_nothing(student: Shared, teacher: Teacher) -> None:
    other = {"type": "function", "function": {"name": "off", "parameters": {"type": "object"}}}
    from distil_dag.core.toolset import Toolset
    from distil_dag.stages.serving.tools import ToolCheck

    check = ToolCheck(Toolset.from_openai([TOOLS[0], other]))
    swapped = check.of([other, TOOLS[0]])
    assert (swapped.difference, swapped.digest) == ("", check.of([TOOLS[0], other]).digest)
    assert check.of([other]).difference == "missing: light_on"


@pytest.mark.parametrize("with_usage", [False, True])
def test_what_is_proved_is_the_students_whole_and_streamed(
    student: Shared, teacher: Teacher, with_usage: bool
) -> None:
    options = {"stream_options": {"include_usage": True}} if with_usage else {}
    own = student.submit(_messages(), 64).result()
    with gateway_of([served(student, teacher, alone)]) as (server, log):
        whole = server.client.chat.completions.create(**ask())
        chunks = list(server.client.chat.completions.create(**ask(stream=True, **options)))
        exchanges = log.wait(2)
    call = whole.choices[0].message.tool_calls[0].function
    assert (call.name, json.loads(call.arguments)) == (own.calls[0].name, own.calls[0].arguments)
    assert (whole.choices[0].finish_reason, whole.system_fingerprint) == ("tool_calls", student.identity)
    assert whole.usage.prompt_tokens > 10
    deltas = [c.delta.tool_calls[0] for chunk in chunks for c in chunk.choices if c.delta.tool_calls]
    assert deltas[0].function.name == "light_on"
    assert deltas[0].id.startswith("call_")
    assert json.loads("".join(delta.function.arguments for delta in deltas)) == own.calls[0].arguments
    assert [c.finish_reason for chunk in chunks for c in chunk.choices][-1] == "tool_calls"
    assert (chunks[-1].usage == whole.usage) is with_usage
    assert teacher.requests == []
    assert [(one.answered_by, one.why, one.other) for one in exchanges] == [("student", "proved", None)] * 2
    assert exchanges[0].id == whole.id
    assert exchanges[0].confidence is None  # the file has no calibration


def test_an_audited_answer_is_sent_first_and_then_compared(student: Shared, teacher: Teacher) -> None:
    teacher.seconds = 0.5
    policy = alone(audit=True)
    with gateway_of([served(student, teacher, lambda: policy)]) as (server, log):
        said = server.client.chat.completions.create(**ask())
        assert teacher.requests == [] or log.exchanges == []
        (exchange,) = log.wait(1)
    assert exchange.audited
    assert exchange.id == said.id
    assert exchange.other["model"] == "big"
    ((score, agreed, audited, weight),) = policy.learned
    assert (audited, weight) == (True, 0.25)
    assert policy.closed
    assert agreed is exchange.agrees is (json.loads(_arguments(exchange.response)) == {"room": "kitchen"})
    assert policy.scores == [score]


def test_what_it_is_not_sure_of_goes_on_to_the_teacher_and_is_evidence(
    student: Shared, teacher: Teacher
) -> None:
    policy = not_sure()
    with gateway_of([served(student, teacher, lambda: policy)]) as (server, log):
        raw = server.client.chat.completions.with_raw_response.create(**ask())
        (exchange,) = log.wait(1)
        wait_for(lambda: policy.learned)
        agreed = server.metric(
            "agreement_total", task="home", agrees=str(exchange.agrees).lower(), audited="false"
        )
    assert raw.headers["x-distil-dag-why"] == exchange.why == "not sure"
    assert policy.learned == [(policy.scores[0], exchange.agrees, False, 0.25)]
    assert agreed == 1


def test_a_teacher_that_is_cut_off_is_no_evidence(student: Shared, teacher: Teacher) -> None:
    policy = not_sure()
    whole = teacher.completion

    def cut(body: dict[str, Any]) -> dict[str, Any]:
        found = whole(body)
        found["choices"][0]["finish_reason"] = "length"
        return found

    teacher.completion = cut  # type: ignore[method-assign]
    with gateway_of([served(student, teacher, lambda: policy)]) as (server, log):
        server.client.chat.completions.create(**ask())
        (exchange,) = log.wait(1)
    assert (exchange.agrees, policy.learned) == (None, [])


def test_a_cut_off_answer_of_the_student_is_never_heard(student: Shared, teacher: Teacher) -> None:
    policy = alone()
    with gateway_of([served(student, teacher, lambda: policy)]) as (server, log):
        server.client.chat.completions.create(**ask(max_tokens=1))
        (exchange,) = log.wait(1)
    assert (exchange.answered_by, exchange.why, exchange.agrees) == ("teacher", "cut off", None)
    assert exchange.other["choices"][0]["finish_reason"] == "length"
    assert (policy.scores, policy.learned) == ([], [])
    with gateway_of([served(student, None)]) as (server, log), pytest.raises(openai.APIStatusError) as error:
        server.client.chat.completions.create(**ask(max_tokens=1))
    assert (error.value.status_code, error.value.code) == (422, "cut_off")


def test_a_model_s_name_picks_the_task_and_tools_do_where_it_leaves_a_choice(
    student: Shared, teacher: Teacher
) -> None:
    other = served(student, teacher, name="other", model="small")
    with gateway_of([served(student, teacher), other]) as (server, log):
        client = server.client
        for model in ("home", "other", "small", "big"):
            client.chat.completions.create(**ask(model=model))
        tasks = [one.task for one in sorted(log.wait(4), key=lambda one: one.time)]
        with pytest.raises(openai.NotFoundError) as error:
            client.chat.completions.create(**ask(model="none"))
        assert [one.id for one in client.models.list()] == ["home", "other"]
        assert client.models.retrieve("other").owned_by == "distil_dag"
    assert error.value.code == "model_not_found"
    assert tasks == ["home", "other", "other", "home"]
    assert [body["model"] for _, body, _ in teacher.requests] == ["big", "small", "small", "big"]


def test_a_client_that_has_only_changed_its_address_names_any_model(
    student: Shared, teacher: Teacher
) -> None:
    with gateway_of([served(student, teacher)]) as (server, _):
        said = server.client.chat.completions.create(**ask(model="gpt-4.1"))
    assert (said.model, teacher.requests[0][1]["model"]) == ("gpt-4.1", "gpt-4.1")


def _messages() -> tuple[Any, ...]:
    from distil_dag.core.case import Message

    return (Message(role="user", content=ask()["messages"][0]["content"]),)


def _arguments(completion: Any) -> str:
    return str(completion["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])

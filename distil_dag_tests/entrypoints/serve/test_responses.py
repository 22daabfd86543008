"""The Responses API by the real `openai` client: the loop of an agent that calls tools."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from distil_dag_tests.entrypoints.serve.conftest import TOOLS, WORDS, Shared, gateway_of, served
from distil_dag_tests.entrypoints.serve.policies import alone
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher

FLAT = [{"type": "function", **TOOLS[0]["function"], "strict": True}]


def ask(**more: Any) -> dict[str, Any]:
    return {"model": "home", "input": WORDS, "tools": FLAT, "instructions": "You are a home.", **more}


def test_the_student_answers_with_function_calls(student: Shared, teacher: Teacher) -> None:
    with gateway_of([served(student, teacher, alone)]) as (server, log):
        said = server.client.responses.create(**ask())
        (exchange,) = log.wait(1)
    (call,) = said.output
    assert (call.type, call.name, said.status) == ("function_call", "light_on", "completed")
    assert json.loads(call.arguments)["room"] in ("kitchen", "hall")
    assert said.usage.output_tokens > 1
    assert teacher.requests == []
    assert exchange.why == "proved"
    assert exchange.request["tools"][0]["function"]["name"] == "light_on"
    assert [turn["role"] for turn in exchange.request["messages"]] == ["system", "user"]
    assert exchange.id.removeprefix("chatcmpl-") == said.id.removeprefix("resp_dd")


def test_its_events_are_those_that_the_client_puts_together(student: Shared, teacher: Teacher) -> None:
    with (
        gateway_of([served(student, teacher, alone)]) as (server, _),
        server.client.responses.stream(**ask()) as stream,
    ):
        kinds = [event.type for event in stream]
        said = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.function_call_arguments.delta" in kinds
    assert said.output[0].name == "light_on"


@pytest.mark.parametrize("streamed", [False, True])
def test_the_teacher_answers_by_the_same_api_and_agreement_is_found(
    student: Shared, teacher: Teacher, streamed: bool
) -> None:
    with gateway_of([served(student, teacher)]) as (server, log):
        if streamed:
            events = list(server.client.responses.create(**ask(stream=True)))
            assert events[-1].type == "response.completed"
            said = events[-1].response
        else:
            said = server.client.responses.create(**ask())
        (exchange,) = log.wait(1)
    assert teacher.requests[0][0] == "/v1/responses"
    assert teacher.requests[0][1]["model"] == "big"
    assert said.output[0].name == "light_on"
    assert exchange.agrees in (True, False)
    assert exchange.response["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "light_on"
    assert exchange.prompt_tokens == 1000


def test_after_a_tool_s_result_the_teacher_speaks(student: Shared, teacher: Teacher) -> None:
    call = {"type": "function_call", "call_id": "a", "name": "light_on", "arguments": '{"room": "hall"}'}
    result = {"type": "function_call_output", "call_id": "a", "output": "done"}
    conversation = [{"role": "user", "content": WORDS}, call, result]
    with gateway_of([served(student, teacher, alone)]) as (server, log):
        raw = server.client.responses.with_raw_response.create(**ask(input=conversation))
        (exchange,) = log.wait(1)
    assert raw.headers["x-distil-dag-why"] == "wants words"
    assert [turn["role"] for turn in exchange.request["messages"]] == ["system", "user", "assistant", "tool"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"tools": [{"type": "web_search"}]}, "other_tools"),
        ({"previous_response_id": "resp_1"}, "other_parameters"),
        ({"previous_response_id": "resp_dd1"}, "previous_response_not_found"),
        ({"text": {"format": {"type": "json_object"}}}, "response_format"),
        ({"input": [{"type": "computer_call_output"}]}, "unreadable_messages"),
        ({"tool_choice": {"type": "function", "name": "light_on"}}, "tool_choice"),
        ({"max_output_tokens": 1}, "cut_off"),
    ],
)
def test_what_the_student_cannot_do_is_told(student: Shared, changed: dict[str, Any], why: str) -> None:
    with gateway_of([served(student, None)]) as (server, _), pytest.raises(openai.APIStatusError) as error:
        server.client.responses.create(**ask(**changed))
    assert error.value.code == why


def test_without_input_it_is_no_request(student: Shared) -> None:
    with gateway_of([served(student, None)]) as (server, _):
        for given in (None, "", [], 1):
            answer = server.http.post("/v1/responses", json={"model": "home", "input": given})
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")

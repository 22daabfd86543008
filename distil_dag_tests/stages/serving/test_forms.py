"""What teachers stream, put together again; what agreement is; how much room an answer has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.serving.abilities import read_messages, room
from distil_dag.stages.serving.agreement import agrees
from distil_dag.stages.serving.completions import DONE, assembled, completion, event, events
from distil_dag.stages.serving.responses import Responses

TOOLS = Toolset.from_openai(
    [
        {
            "name": "heat",
            "parameters": {
                "type": "object",
                "properties": {"level": {"type": "integer"}, "room": {"type": "string", "default": "here"}},
                "required": ["level"],
            },
        }
    ]
)
HEAT = ToolCall(name="heat", arguments={"level": 5})


def said(*calls: ToolCall, **changed: Any) -> dict[str, Any]:
    found = completion(calls, created=1, model="m", identity="s", tokens=(3, 4))
    found["choices"][0] |= changed
    return found


@pytest.mark.parametrize("calls", [(), (HEAT,), (HEAT, HEAT)])
def test_a_stream_is_put_together_to_what_was_streamed(calls: tuple[ToolCall, ...]) -> None:
    whole = said(*calls)
    found = assembled(b"".join(events(whole, with_usage=True)))
    assert found is not None
    assert agrees(calls, found, TOOLS) is True
    assert (found["id"], found["usage"]) == (whole["id"], whole["usage"])


def test_a_stream_that_broke_off_is_no_answer() -> None:
    parts = list(events(said(HEAT), with_usage=False))
    assert assembled(b"".join(parts[:-2])) is None
    assert assembled(b"".join([*parts[:-1]])) is not None  # without the end mark, with the reason of the end
    assert assembled(b"data: {broken\n\n" + DONE) is None
    assert assembled(event({"error": {"message": "overloaded"}})) is None


@pytest.mark.parametrize(
    ("teacher", "agreed"),
    [
        (said(ToolCall(name="heat", arguments={"level": 5.0, "room": "here"})), True),
        (said(ToolCall(name="heat", arguments={"level": 6})), False),
        (said(HEAT, HEAT), False),
        (said(), False),
        (said(HEAT, finish_reason="length"), None),
        (said(message={"role": "assistant", "content": None}), None),
        ({"choices": []}, None),
        ({}, None),
    ],
)
def test_agreement_is_that_of_the_test_and_what_is_cut_is_no_evidence(
    teacher: dict[str, Any], agreed: bool | None
) -> None:
    assert agrees((HEAT,), teacher, TOOLS) is agreed


def test_the_conversation_is_read_as_a_log_is() -> None:
    call = {"id": "b", "type": "function", "function": {"name": "heat", "arguments": '{"level": 5.0}'}}
    turns: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "warm"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "b", "content": "done"},
        {"role": "user", "content": "more"},
    ]
    read = read_messages({"messages": turns}, TOOLS)
    assert [turn.role for turn in read] == ["system", "user", "assistant", "tool", "user"]  # type: ignore[union-attr]
    assert read[2].tool_calls == (HEAT,)  # type: ignore[union-attr]
    assert json.dumps(read[2].tool_calls[0].arguments) == '{"level": 5}'  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "tokens"),
    [({}, 64), ({"max_tokens": 8}, 8), ({"max_completion_tokens": 100}, 64), ({"max_tokens": True}, 64)],
)
def test_an_answer_has_the_room_that_the_request_allows(body: dict[str, Any], tokens: int) -> None:
    assert room(body, 64) == tokens


@pytest.mark.parametrize("calls", [(), (HEAT, HEAT)])
def test_a_response_and_its_events_say_what_the_completion_says(calls: tuple[ToolCall, ...]) -> None:
    whole, dialect = said(*calls), Responses()
    streamed = dialect.completion(b"".join(dialect.stream(whole, {})), streamed=True)
    plain = dialect.completion(json.dumps(dialect.whole(whole, {})).encode(), streamed=False)
    for found in (streamed, plain):
        assert found is not None
        assert agrees(calls, found, TOOLS) is True
        assert found["usage"] == whole["usage"]

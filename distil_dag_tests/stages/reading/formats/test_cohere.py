"""Cohere's chat APIs, the first with its message beside the history, the second with messages."""

import pytest

from distil_dag_tests.stages.reading.recorders.samples import read_log

USER, NEXT = "Set the den light to 40 percent.", "And the hall to 10."
DEN = {"name": "set_light", "parameters": {"room": "den", "level": 40}}
HALL = {"name": "set_light", "parameters": {"room": "hall", "level": 10}}
RESULT = {"call": DEN, "outputs": [{"ok": True}]}
ENDED = {"generation_id": "g", "finish_reason": "COMPLETE"}
TALK = [
    {"role": "USER", "message": USER},
    {"role": "CHATBOT", "message": "I will.", "tool_calls": [DEN]},
    {"role": "TOOL", "tool_results": [RESULT]},
    {"role": "CHATBOT", "message": "Done."},
]


def test_a_message_and_its_calls():
    log = read_log(
        {
            "request": {"message": USER, "preamble": "You control lights.", "model": "command-r"},
            "response": {"text": "I will.", "tool_calls": [DEN, HALL], **ENDED},
        }
    )
    (trace,) = log.traces
    assert [(turn.role, turn.content) for turn in trace.messages] == [
        ("system", "You control lights."), ("user", USER),
    ]  # fmt: skip
    assert [call.arguments for call in trace.calls] == [DEN["parameters"], HALL["parameters"]]
    assert trace.model == "command-r"


def test_the_history_and_its_results():
    request = {"message": NEXT, "chat_history": TALK}
    (trace,) = read_log({"request": request, "response": {"text": "", "tool_calls": [HALL], **ENDED}}).traces
    assert [turn.role for turn in trace.messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert trace.messages[2].content == '[{"ok":true}]'
    assert [call.arguments for call in trace.calls] == [HALL["parameters"]]


def test_a_call_after_a_result():
    request = {"message": "", "chat_history": TALK[:2], "tool_results": [RESULT]}
    (trace,) = read_log({"request": request, "response": {"text": "", "tool_calls": [HALL], **ENDED}}).traces
    assert [turn.role for turn in trace.messages] == ["user", "assistant", "tool"]


@pytest.mark.parametrize(
    ("request_more", "response", "reason"),
    [
        ({"conversation_id": "c"}, {"text": "Done.", **ENDED}, "the history is kept elsewhere"),
        ({}, {"text": "Do", "generation_id": "g", "finish_reason": "MAX_TOKENS"}, "cut answer"),
        ({"chat_history": [{"role": "OWNER", "message": "x"}]}, {"text": "Done.", **ENDED}, "unknown role"),
    ],
)
def test_what_is_not_whole_is_set_aside(request_more, response, reason):
    log = read_log({"request": {"message": USER, **request_more}, "response": response})
    assert (log.traces, log.reasons) == ([], [reason])


def test_the_second_api():
    call = {"id": "c", "type": "function", "function": {"name": "set_light", "arguments": '{"room": "den"}'}}
    answer = {"role": "assistant", "tool_plan": "I will.", "tool_calls": [call]}
    log = read_log(
        {
            "request": {"messages": [{"role": "user", "content": USER}]},
            "response": {"finish_reason": "TOOL_CALL", "message": answer},
        }
    )
    assert log.calls == [[{"name": "set_light", "arguments": {"room": "den"}}]]

"""Which traces a record of each format gives."""

import json
from datetime import UTC, datetime

import pytest

from distil_dag.core.case import Trace
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.records import RecordReader

LIGHT = {
    "type": "function",
    "function": {
        "name": "set_light",
        "parameters": {
            "type": "object",
            "properties": {"room": {"type": "string"}, "level": {"type": "integer"}},
            "required": ["room"],
            "additionalProperties": False,
        },
    },
}
TOOLS = Toolset.from_openai([LIGHT])
KITCHEN = ToolCall(name="set_light", arguments={"room": "kitchen"})


def read(record, record_format="auto", **kwargs):
    return RecordReader(TOOLS, record_format).read(record, "r1", **kwargs)


def only(record, **kwargs):
    reading = read(record, **kwargs)
    assert reading.problem is None
    (trace,) = reading.traces
    return trace


def user(text):
    return {"role": "user", "content": text}


def call(arguments, name="set_light"):
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}


def pair(message, history=None):
    history = history or [user("light in the kitchen")]
    request = {"model": "agent-1", "messages": history, "tools": [LIGHT]}
    response = {"model": "agent-1-2026", "choices": [{"index": 0, "message": message}], "usage": {}}
    return {"request": request, "response": response, "latency_ms": 412}


@pytest.mark.parametrize("arguments", ['{"room": "kitchen"}', {"room": "kitchen"}])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_pair_gives_the_response_with_the_request_as_its_history(arguments, as_text):
    record = pair({"role": "assistant", "content": None, "tool_calls": [call(arguments)]})
    if as_text:
        record = {name: json.dumps(value) for name, value in record.items() if name != "latency_ms"} | {
            "latency_ms": 412
        }
    trace = only(record, time="2026-11-20T10:00:00+02:00")
    assert trace.calls == (KITCHEN,)
    assert trace.request == "light in the kitchen"
    assert (trace.id, trace.model, trace.latency_ms, trace.problems) == ("r1", "agent-1-2026", 412.0, ())
    assert trace.time == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert Trace.from_row(trace.row()) == trace


def test_assistant_turns_of_a_request_are_history_because_they_have_records_of_their_own():
    history = [
        {"role": "system", "content": "You run a house."},
        user("light in the kitchen"),
        {"role": "assistant", "tool_calls": [call('{"room": "kitchen"}')]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {"role": "assistant", "content": "It is on."},
        user("dim it"),
    ]
    trace = only(pair({"role": "assistant", "tool_calls": [call('{"room":"kitchen","level":20}')]}, history))
    assert [m.role for m in trace.messages] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert trace.messages[2].tool_calls == (KITCHEN,)
    assert trace.request == "dim it"


def test_each_assistant_turn_of_a_conversation_is_a_trace_behind_its_history():
    messages = [
        {
            "role": "developer",
            "content": [{"type": "text", "text": "You run"}, {"type": "text", "text": "a house."}],
        },
        user("light in the kitchen"),
        {"role": "assistant", "content": None, "tool_calls": [call('{"room": "kitchen"}')]},
        {"role": "tool", "content": "no such level"},
        {"role": "assistant", "content": "", "tool_calls": [call('{"room": "kitchen", "level": 5}')]},
        {"role": "tool", "content": "done"},
        {"role": "assistant", "content": "Done."},
        user("thanks"),
        {"role": "assistant", "content": "You are welcome."},
    ]
    reading = read({"messages": messages})
    assert reading.problem is None
    assert [(t.id, len(t.messages), len(t.calls), t.text) for t in reading.traces] == [
        ("r1#1", 2, 1, ""),
        ("r1#2", 4, 1, ""),
        ("r1#4", 8, 0, "You are welcome."),
    ]
    assert reading.traces[0].messages[0].content == "You run\na house."


def test_text_after_a_tool_result_chooses_no_tool_and_is_no_trace():
    history = [
        user("light in the kitchen"),
        {"role": "assistant", "tool_calls": [call('{"room": "kitchen"}')]},
        {"role": "tool", "content": "done"},
    ]
    reading = read(pair({"role": "assistant", "content": "It is on."}, history))
    assert (reading.traces, reading.problem) == ((), None)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "tool_calls": [call('{"room":"hall"}'), call({"room": "kitchen"})]},
        {"role": "assistant", "content": '<tool_call>{"name":"set_light","arguments":{"room":"hall"}}'
         '</tool_call>\n<tool_call>{"name":"set_light","arguments":{"room":"kitchen"}}</tool_call>'},
    ],
)  # fmt: skip
def test_parallel_calls_stay_in_order(message):
    assert [c.arguments["room"] for c in only(pair(message)).calls] == ["hall", "kitchen"]


def test_words_and_calls_that_were_logged_as_two_turns_are_one():
    trace = only(
        {
            "messages": [
                user("light in the kitchen"),
                {"role": "assistant", "content": "Sure."},
                {
                    "role": "assistant",
                    "function_call": {"name": "set_light", "arguments": '{"room": "kitchen"}'},
                },
            ]
        }
    )
    assert (trace.calls, trace.text) == ((KITCHEN,), "Sure.")


@pytest.mark.parametrize(
    "message",
    [{"content": "I can't."}, {"content": ""}, {"content": None, "tool_calls": []}, {"refusal": "No."}],
)
def test_an_answer_without_calls_is_a_trace(message):
    trace = only(pair({"role": "assistant", **message}))
    assert trace.calls == ()
    assert trace.text == (message.get("content") or message.get("refusal") or "")


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        ('{"name": "set_light", "parameters": {"room": "kitchen"}}', (KITCHEN,)),
        ({"name": "set_light", "arguments": {"room": "kitchen"}}, (KITCHEN,)),
        ([{"name": "set_light", "arguments": {"room": "kitchen"}}] * 2, (KITCHEN, KITCHEN)),
        ('```json\n{"name": "set_light", "arguments": {"room": "kitchen"}}\n```', (KITCHEN,)),
        ({"role": "assistant", "tool_calls": [call({"room": "kitchen"})]}, (KITCHEN,)),
        ("I can't do that.", ()),
        ("[]", ()),
        ([], ()),
    ],
)
def test_question_and_answer(answer, calls):
    trace = only({"question": "light in the kitchen", "answer": answer})
    assert (trace.request, trace.calls) == ("light in the kitchen", calls)


def test_a_question_may_be_a_conversation_and_a_context_holds_messages():
    turns = [user("hello"), {"role": "assistant", "content": "Hi."}, user("light in the kitchen")]
    answer = '{"name": "set_light", "arguments": {"room": "kitchen"}}'
    trace = only({"question": json.dumps(turns), "answer": answer})
    assert (trace.id, trace.request, len(trace.messages)) == ("r1", "light in the kitchen", 3)
    answered = [
        user("light in the kitchen"),
        {"role": "assistant", "tool_calls": [call({"room": "kitchen"})]},
    ]
    assert only({"context": json.dumps(answered)}).calls == (KITCHEN,)


def test_calls_that_do_not_fit_the_tools_are_kept_and_marked():
    bad = [call("{}"), call({"room": "hall", "level": "low"}), call({}, name="open_door")]
    trace = only(pair({"role": "assistant", "tool_calls": bad}))
    assert len(trace.calls) == 3
    assert len(trace.problems) == 3
    assert "'room' is a required property" in trace.problems[0]
    assert "'low' is not of type 'integer'" in trace.problems[1]
    assert "unknown tool 'open_door'" in trace.problems[2]


def test_nulls_of_typed_columns_are_absent_arguments_and_logged_nulls_are_not():
    turns = [user("light"), {"role": "assistant", "tool_calls": [call({"room": "hall", "level": None})]}]
    assert only({"messages": turns}, columnar=True).calls[0].arguments == {"room": "hall"}
    assert only({"messages": turns}).calls[0].arguments == {"room": "hall", "level": None}


@pytest.mark.parametrize(
    "spelled",
    [
        {"function": None, "name": "set_light", "arguments": {"room": "kitchen", "level": None}},
        {"function": None, "name": "set_light", "arguments": None, "parameters": {"room": "kitchen"}},
        {"function": {"name": "set_light", "arguments": '{"room": "kitchen"}'}, "name": None},
    ],
)
def test_typed_columns_may_hold_calls_of_several_shapes(spelled):
    turns = [user("light"), {"role": "assistant", "content": None, "tool_calls": [spelled]}]
    answer = {"role": None, "tool_calls": None, "content": None, **spelled}
    records = [{"messages": turns, "question": None}, {"question": "light", "answer": answer}]
    for record in records:
        assert only(record, columnar=True).calls == (KITCHEN,)


def test_nulls_of_json_text_in_a_typed_column_were_logged():
    calls = json.dumps([call({"room": "hall", "level": None})])
    turns = [user("light"), {"role": "assistant", "content": None, "tool_calls": calls}]
    assert only({"messages": turns}, columnar=True).calls[0].arguments == {"room": "hall", "level": None}


def test_what_stands_before_an_unreadable_turn_is_kept():
    turns = [
        user("light in the kitchen"),
        {"role": "assistant", "tool_calls": [call({"room": "kitchen"})]},
        user("and the hall"),
        {"role": "assistant", "tool_calls": [call("{broken")]},
    ]
    reading = read({"messages": turns})
    assert [trace.id for trace in reading.traces] == ["r1#1"]
    assert reading.problem.reason == "unreadable call"


@pytest.mark.parametrize(
    ("value", "second"),
    [
        ("2026-11-24T11:00:00Z", 0),
        ("2026-11-24 11:00:00", 0),
        ("2026-11-24T12:00:00.5+01:00", 0.5),
        (1795518000, 0),
        ("1795518000", 0),
        (1795518000500, 0.5),
        (1795518000500000, 0.5),
        (1795518000500000000, 0.5),
        (datetime(2026, 11, 24, 11), 0),
    ],
)
def test_times(value, second):
    trace = only({"question": "light", "answer": "no"}, time=value)
    assert (trace.time - datetime(2026, 11, 24, 11, tzinfo=UTC)).total_seconds() == second


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("1796011400339000000", 2026),
        ("1796010271952", 2026),
        ("20261130", 2026),
        ("2026-11-30T04:00:15Z", 2026),
    ],
)
def test_digits_in_a_text_are_unix_time_unless_they_are_a_day(text, year):
    record = pair({"role": "assistant", "content": None, "tool_calls": [call({"room": "kitchen"})]})
    assert only(record, time=text).time.year == year

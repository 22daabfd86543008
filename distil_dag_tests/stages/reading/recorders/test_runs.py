"""Runs, rows and steps of recorders other than those of the samples, and what they lose."""

import json

import pytest

from distil_dag_tests.stages.reading.recorders.samples import read_log

WATER = {"name": "water_bed", "arguments": {"bed": "roses", "minutes": 5}}
HERBS = {"name": "water_bed", "arguments": {"bed": "herbs"}}
ASKED = "Water the roses for five minutes."
USER = {"role": "user", "content": ASKED}
CALL = {"id": "c0", "type": "function", "function": {**WATER, "arguments": json.dumps(WATER["arguments"])}}
ANSWER = {"role": "assistant", "content": None, "tool_calls": [CALL]}
CHAT = {"choices": [{"index": 0, "finish_reason": "tool_calls", "message": ANSWER}], "model": "m-2"}
ITEM = {"type": "function_call", "id": "fc", "call_id": "c0", **CALL["function"]}
RESPONSE = {"object": "response", "model": "m-2", "output": [ITEM], "status": "completed"}
ANTHROPIC = {
    "role": "assistant", "stop_reason": "tool_use", "content": [
        {"type": "text", "text": "At once."},
        {"type": "tool_use", "id": "t", "name": "water_bed", "input": WATER["arguments"]}],
}  # fmt: skip


def only(log):
    assert log.reasons == []
    (trace,) = log.traces
    assert trace.request == ASKED
    return trace


def calls_of(*records, **how):
    log = read_log(*records, **how)
    only(log)
    return log.calls[0]


# LangSmith and LangChain


def run(**more):
    return {
        "id": "r1", "trace_id": "r0", "parent_run_id": "r0", "name": "ChatOpenAI", "run_type": "llm",
        "start_time": "2026-11-30T10:00:00Z", "end_time": "2026-11-30T10:00:01Z",
        "inputs": {"messages": [USER], "model": "m-1"}, "outputs": CHAT, "error": None, **more,
    }  # fmt: skip


def made(kind, **kwargs):
    names = {"human": "HumanMessage", "ai": "AIMessage", "tool": "ToolMessage", "system": "SystemMessage"}
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", names[kind]],
            "kwargs": {"type": kind, **kwargs}}  # fmt: skip


LANGCHAIN_CALL = {"name": "water_bed", "args": WATER["arguments"], "id": "c0", "type": "tool_call"}


def generated(message, ending="tool_calls"):
    return {"generations": [[{"text": "", "generation_info": {"finish_reason": ending}, "message": message}]],
            "llm_output": None, "type": "LLMResult"}  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ({"messages": [USER]}, CHAT),
        ({"messages": [[made("system", content="You keep a garden."), made("human", content=ASKED)]]},
         generated(made("ai", content="", tool_calls=[LANGCHAIN_CALL], invalid_tool_calls=[]))),
        ({"input": ASKED, "instructions": "You keep a garden."}, RESPONSE),
        ({"messages": [USER], "system": "You keep a garden."}, ANTHROPIC),
        ({"input": {"messages": [USER]}}, {"output": ANSWER}),
        (json.dumps({"messages": [USER]}), json.dumps(CHAT)),
        ({"prompts": [f"System: You keep a garden.\nHuman: {ASKED}"]},
         generated(made("ai", content="", tool_calls=[LANGCHAIN_CALL]))),
    ],
)  # fmt: skip
def test_runs_of_any_library_are_read(inputs, outputs):
    log = read_log(run(inputs=inputs, outputs=outputs))
    assert log.calls == [[WATER]]
    assert only(log).latency_ms == 1000


def test_the_two_records_of_a_run_are_joined_in_either_order_over_others():
    start = {key: value for key, value in run().items() if key not in ("end_time", "error")} | {"outputs": {}}
    end = {key: value for key, value in run().items() if key != "inputs"}
    plain = {"messages": [USER, ANSWER]}
    for lines in ([start, plain, end], [end, plain, start]):
        log = read_log(*lines)
        assert log.calls == [[WATER], [WATER]]
        assert log.report.no_answers == {"part of another record": 1}
    assert read_log(start).reasons == ["no response"]
    assert read_log(end).reasons == ["no request"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"inputs": {}, "outputs": {}}, "content is not logged; set LANGSMITH_HIDE_INPUTS=false"),
        ({"error": "Timeout()"}, "the request failed"),
        ({"outputs": {"output": "I will."}}, "an answer in another field"),
        ({"outputs": generated(made("ai", content="", tool_calls=[], invalid_tool_calls=[
            {"name": "water_bed", "args": '{"bed"', "id": "c"}]))}, "unreadable call"),
        ({"inputs": {"prompts": ["Water the roses"]}}, "a text for the whole chat"),
    ],
)  # fmt: skip
def test_what_a_run_has_lost_is_named(changed, reason):
    (found,) = read_log(run(**changed)).reasons
    assert found.startswith(reason)


def test_runs_of_other_kinds_and_around_others_are_counted():
    around = run(id="r0", parent_run_id=None)
    log = read_log(
        run(run_type="tool"), run(run_type="chain"), run(run_type="retriever"), run(), around, run()
    )
    assert log.calls == [[WATER]]
    assert sum(log.report.no_answers.values()) == 5


def test_a_chat_that_was_written_into_one_text_keeps_its_calls_and_results():
    text = (
        "System: You keep a garden.\nHuman: Hello.\nWater: later.\n"
        f"AI: Well.{[LANGCHAIN_CALL]}\nTool: wet\nHuman: {ASKED}"
    )
    outputs = generated(made("ai", content="", tool_calls=[LANGCHAIN_CALL]))
    trace = only(read_log(run(inputs={"prompts": [text]}, outputs=outputs)))
    assert [m.role for m in trace.messages] == ["system", "user", "assistant", "tool", "user"]
    assert trace.messages[1].content == "Hello.\nWater: later."
    assert trace.messages[2].content == "Well."
    assert [call.model_dump() for call in trace.messages[2].tool_calls] == [WATER]


def test_start_and_end_of_a_callback_are_joined_by_the_run():
    identity = "01a22a9c-48fd-77fa-8b48-9ebe8c031ed9"
    start = {"serialized": {}, "run_id": identity, "messages": [[{"type": "human", "content": ASKED}]]}
    answer = {"type": "ai", "content": "", "id": f"lc_run--{identity}-0"}
    whole = generated(answer | {"tool_calls": [LANGCHAIN_CALL]})
    assert calls_of(start, whole) == [WATER]
    said = read_log(start, generated(answer | {"content": "Done.", "tool_calls": []}, "stop"))
    assert only(said).text == "Done."
    assert said.calls == [[]]
    # Without the field, nothing says whether there was a call.
    for ending in ("tool_calls", "stop"):
        log = read_log(start, generated(answer | {"content": "On it."}, ending))
        assert log.reasons[0].startswith("content is not logged; log runs of a tracer")


# Langfuse


def observation(**more):
    return {
        "id": "o1", "traceId": "t1", "type": "GENERATION", "name": "OpenAI", "model": "m-2",
        "startTime": "2026-11-30T10:00:00.000Z", "endTime": "2026-11-30T10:00:00.500Z",
        "input": {"messages": [USER], "tools": []}, "output": ANSWER, **more,
    }  # fmt: skip


def test_observations_by_api_blob_and_page_are_read():
    api = observation()
    blob = {
        "id": "o2", "trace_id": "t1", "type": "GENERATION", "start_time": "2026-11-30 10:00:00.000000",
        "end_time": "2026-11-30 10:00:00.500000", "provided_model_name": "m-2", "input": json.dumps([USER]),
        "output": json.dumps(ANSWER), "parent_observation_id": None, "level": "DEFAULT",
    }  # fmt: skip
    page = {"id": "t2", "name": "agent", "input": "x", "output": "y", "observations": [
        observation(id="o3", traceId="t2"), observation(id="o4", traceId="t2", type="SPAN")]}  # fmt: skip
    log = read_log({"data": [api], "meta": {"totalItems": 1}}, blob, page)
    assert log.calls == [[WATER]] * 3
    assert {trace.latency_ms for trace in log.traces} == {500}
    assert {trace.model for trace in log.traces} == {"m-2"}
    assert log.report.no_answers == {"a span around calls of a model": 1}


def test_a_generation_around_another_repeats_it():
    inner = observation(id="o2", parentObservationId="o1")
    log = read_log(inner, observation(), observation(id="o3"))
    assert [trace.id for trace in log.traces] == ["o2", "o3"]
    assert log.report.no_answers == {"a span around calls of a model": 1}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"input": None, "output": None}, "content is not logged; let the generation keep input and output"),
        ({"level": "ERROR"}, "the request failed"),
        ({"output": "I will."}, "only a text at the end of a span"),
        ({"output": {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": "{"}}]}},
         "unreadable call"),
    ],
)  # fmt: skip
def test_what_an_observation_has_lost_is_named(changed, reason):
    (found,) = read_log(observation(**changed)).reasons
    assert found.startswith(reason)


# LiteLLM


def logged(**more):
    return {
        "id": "chatcmpl-1", "litellm_call_id": "l1", "trace_id": "t", "call_type": "acompletion",
        "status": "success", "messages": [USER], "response": CHAT, "model": "m-1",
        "startTime": 1796010480.5, "endTime": 1796010481.0, "model_parameters": {"tools": []}, **more,
    }  # fmt: skip


def test_calls_of_litellm_are_told_apart_by_its_own_id():
    log = read_log(logged(), logged(litellm_call_id="l2"), logged())
    assert log.calls == [[WATER], [WATER]]
    assert [trace.id for trace in log.traces] == ["l1", "l2"]
    assert log.report.no_answers == {"a copy of an answer": 1}
    assert log.traces[0].latency_ms == 500


def test_spend_logs_and_responses_of_litellm():
    row = {"request_id": "s1", "call_type": "acompletion", "startTime": "2026-11-30T10:00:00",
           "messages": "{}", "response": json.dumps(CHAT),
           "proxy_server_request": json.dumps({"messages": [USER], "model": "m-1"})}  # fmt: skip
    assert calls_of(row) == [WATER]
    assert calls_of(logged(call_type="aresponses", messages=ASKED, response=RESPONSE)) == [WATER]
    off = row | {"response": "{}", "proxy_server_request": "{}"}
    for record in (off, off | {"litellm_call_id": "l1"}):
        assert "store_prompts_in_spend_logs: true" in read_log(record).reasons[0]
    cut = row | {"response": json.dumps(CHAT).replace("roses", "ro... (litellm_truncated 9 chars)")}
    assert read_log(cut).reasons[0].startswith("a text was cut; set MAX_STRING_LENGTH_PROMPT_IN_DB")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"messages": [{"role": "user", "content": "redacted-by-litellm"}]}, "content is not logged; set"),
        ({"messages": "redacted-by-litellm"}, "content is not logged; set litellm"),
        ({"status": "failure", "response": {}}, "the request failed"),
        ({"model_parameters": {"max_tokens": 7}, "response": CHAT | {"usage": {"completion_tokens": 7}}},
         "cut answer"),
    ],
)  # fmt: skip
def test_what_litellm_has_lost_is_named(changed, reason):
    (found,) = read_log(logged(**changed)).reasons
    assert found.startswith(reason)


def test_an_embedding_is_no_answer():
    assert read_log(logged(call_type="aembedding")).report.no_answers == {"a span of something else": 1}


# The Agents SDK


def agents(data, **more):
    return {
        "object": "trace.span", "id": "s1", "trace_id": "t", "parent_id": None, "error": None, **more,
        "started_at": "2026-11-30T10:00:00Z", "ended_at": "2026-11-30T10:00:01Z", "span_data": data,
    }  # fmt: skip


@pytest.mark.parametrize("output", [[ANSWER], [RESPONSE], [ITEM]])
def test_generations_are_read_streamed_or_not(output):
    assert calls_of(agents({"type": "generation", "input": [USER], "output": output, "model": "m"})) == [
        WATER
    ]


def test_a_response_is_read_where_its_processor_exports_it():
    whole = {"type": "response", "response_id": "r", "input": [USER], "response": RESPONSE}
    assert calls_of({"data": [agents(whole), {"object": "trace", "id": "t", "workflow_name": "w"}]}) == [
        WATER
    ]
    (reason,) = read_log(agents({"type": "response", "response_id": "r"})).reasons
    assert "OpenAIChatCompletionsModel" in reason


def test_failed_spans_of_the_sdk_are_no_answers():
    failed = agents({"type": "generation", "input": [USER], "output": None}, error={"message": "500"})
    assert read_log(failed).reasons == ["the request failed"]
    assert read_log(agents({"type": "handoff"})).report.no_answers == {"a span around calls of a model": 1}


# Braintrust


def row(**more):
    return {
        "id": "b1", "span_id": "b1", "root_span_id": "b0", "span_attributes": {"type": "llm", "name": "Chat"},
        "metrics": {"start": 1796010962.0, "end": 1796010962.25}, "metadata": {"model": "m-1"},
        "input": [USER], "output": CHAT["choices"], **more,
    }  # fmt: skip


def test_rows_of_braintrust_in_each_form():
    assert calls_of(row()) == [WATER]
    assert calls_of(row(input=ASKED, output=[ITEM], metadata={"instructions": "You keep a garden."})) == [
        WATER
    ]
    assert calls_of({"events": [row(input=json.dumps([USER]), span_attributes='{"type": "llm"}')]}) == [WATER]
    assert read_log(
        row(span_attributes={"type": "task"}), row(span_attributes={"type": "tool"})
    ).report.no_answers


def test_mixed_up_and_broken_calls_of_braintrust_are_set_aside():
    hollow = CALL | {"function": {"name": "water_bed", "arguments": ""}}
    mixed = [{"message": ANSWER | {"tool_calls": [hollow, CALL]}, "finish_reason": "tool_calls"}]
    assert read_log(row(output=mixed, metadata={"stream": True})).reasons == ["streamed calls were mixed up"]
    broken = CALL | {"function": {"name": "water_bed", "arguments": '{"bed": {"bed": "roses"}"herbs"}'}}
    assert read_log(row(output=[{"message": ANSWER | {"tool_calls": [broken]}}])).reasons == [
        "unreadable call"
    ]


# smolagents


def step(*turns, **more):
    messages = [{"role": "user", "content": [{"type": "text", "text": f"New task:\n{ASKED}"}]}, *turns]
    return {"step_number": 2, "timing": {"start_time": 1796010962.0, "end_time": 1796010962.5},
            "model_input_messages": messages, "tool_calls": [CALL], "observations": "wet",
            "model_output_message": ANSWER | {"raw": None, "token_usage": None}, **more}  # fmt: skip


def turn(role, text):
    return {"role": role, "content": [{"type": "text", "text": text}], "tool_calls": None}


def test_the_history_of_a_step_is_read_from_its_text():
    both = [{"id": "c1", "type": "function", "function": one} for one in (WATER, HERBS)]
    trace = only(
        read_log(
            step(turn("tool-call", f"Calling tools:\n{both}"), turn("tool-response", "Observation:\na\nb"))
        )
    )
    assert [call.model_dump() for call in trace.messages[1].tool_calls] == [WATER, HERBS]
    assert [m.content for m in trace.messages[2:]] == ["a", "b"]
    assert trace.latency_ms == 500
    long = step(turn("tool-call", f"Calling tools:\n{both}"), turn("tool-response", "Observation:\na\nb\nc"))
    assert read_log(long).reasons == ["results that can't be told apart"]
    code = step(turn("tool-call", "Calling tools:\n[f(x)]"))
    assert read_log(code).reasons == ["unreadable call"]


def test_tasks_and_plans_are_no_answers_and_spelled_calls_are_read():
    plan = {
        "model_input_messages": [],
        "model_output_message": {"role": "assistant", "content": "x"},
        "plan": "x",
    }
    assert read_log({"task": "x", "task_images": None}, plan).report.no_answers == {
        "a span around calls of a model": 2
    }
    spelled = {"role": "assistant", "content": 'Action:\n{"name": "water_bed"}', "tool_calls": None}
    assert calls_of(step(model_output_message=spelled)) == [WATER]


# Other services


@pytest.mark.parametrize(
    "record",
    [
        {"id": "k1", "trace_id": "t", "type": "llm", "input": {"messages": [USER]}, "output": CHAT},
        {"request_id": "h1", "request_body": {"messages": [USER]}, "response_body": json.dumps(CHAT)},
        {"object": "chat.completion", "id": "c", "messages": [USER], **CHAT},
        {"object": "chat.completion", "id": "c", "messages": {"object": "list", "data": [USER]}, **CHAT},
        {"trace_id": "t", "op_name": "openai.create", "inputs": {"messages": [USER]}, "output": CHAT},
    ],
)  # fmt: skip
def test_rows_of_other_services_are_read(record):
    assert calls_of(record) == [WATER]


def test_a_stored_completion_without_its_messages_says_where_they_are():
    log = read_log({"object": "list", "data": [{"object": "chat.completion", "id": "c", **CHAT}]})
    assert "/chat/completions/{id}/messages" in log.reasons[0]


def test_a_plain_record_with_the_id_of_a_trace_is_a_plain_record():
    plain = {"id": 7, "trace_id": "t", "type": "chat", "messages": [USER, ANSWER]}
    log = read_log(plain, plain)
    assert log.calls == [[WATER]]
    assert log.reasons == ["duplicate id"]

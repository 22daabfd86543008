"""Spans and log records of recorders other than those of the samples, and what they lose."""

import json

import pytest

from distil_dag_tests.stages.reading.recorders.samples import read_log

WATER = {"name": "water_bed", "arguments": {"bed": "roses", "minutes": 5}}
TWO = [WATER, {"name": "water_bed", "arguments": {"bed": "herbs"}}]
ASKED = "Water the roses for five minutes."


def attribute(value):
    """A value as OTLP/JSON writes it."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [attribute(one) for one in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    return {} if value is None else {"stringValue": value}


def pairs(values):
    return [{"key": key, "value": attribute(value)} for key, value in values.items()]


def span(attributes, number=1, **more):
    start = 1796010000000000000 + number * 10**9
    return {
        "traceId": f"{7:032x}", "spanId": f"{number:016x}", "name": "chat", "attributes": pairs(attributes),
        "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 5 * 10**8), "status": {}, **more,
    }  # fmt: skip


def otlp(*spans, scope="some.library"):
    scoped = {"scope": {"name": scope}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [scoped]}]}


def records(*found, scope="some.library"):
    scoped = {"scope": {"name": scope}, "logRecords": list(found)}
    return {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [scoped]}]}


def event(name, body, number=1, at=0):
    return {
        "traceId": f"{7:032x}", "spanId": f"{number:016x}", "eventName": name, "body": attribute(body),
        "attributes": [], "observedTimeUnixNano": str(1796010000000000000 + at),
    }  # fmt: skip


def called(calls=(WATER,), **more):
    parts = [{"type": "tool_call", "id": f"c{n}", **call} for n, call in enumerate(calls)]
    return {"role": "assistant", "parts": parts, "finish_reason": "tool_calls", **more}


def said(role, text):
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def genai(given=None, got=None, operation="chat", **more):
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": "m-1",
        "gen_ai.input.messages": given if given is not None else json.dumps([said("user", ASKED)]),
        "gen_ai.output.messages": got if got is not None else json.dumps([called()]),
        **more,
    }


def only(log):
    assert log.reasons == []
    (trace,) = log.traces
    return trace


# GenAI conventions


@pytest.mark.parametrize(
    "record",
    [
        {"trace_id": "a", "span_id": "b", "name": "chat", "attributes": genai()},
        {"context": {"trace_id": "0xa", "span_id": "0xb"}, "name": "chat", "attributes": genai()},
        {"TraceId": "a", "SpanId": "b", "ScopeName": "x", "SpanAttributes": genai()},
        {"traceId": "a", "spanId": "b", "attributes": json.dumps(genai())},
        {"trace_id": "a", "span_id": "b", "attributes": {"gen_ai": {
            "operation": {"name": "chat"}, "input": {"messages": [said("user", ASKED)]},
            "output": {"messages": [called()]}}}},
        {"traceId": "a", "spanId": "b", "attributes": pairs(genai([said("user", ASKED)], [called()]))},
        {"name": "chat", "attributes": genai(operation="generate_content")},
    ],
)  # fmt: skip
def test_a_span_is_read_in_any_form_in_which_it_is_kept(record):
    log = read_log(record)
    assert log.calls == [[WATER]]
    assert only(log).request == ASKED


def test_results_of_tools_stand_behind_their_calls_whoever_says_them():
    for role in ("user", "tool"):
        for field in ("response", "result"):
            answers = {"role": role, "parts": [
                {"type": "tool_call_response", "id": "c1", field: {"wet": 2}},
                {"type": "tool_call_response", "id": "c0", field: "wet"},
            ]}  # fmt: skip
            given = [said("user", ASKED), called(TWO), answers, said("user", "Again.")]
            trace = only(read_log(otlp(span(genai(json.dumps(given))))))
            assert [m.role for m in trace.messages] == ["user", "assistant", "tool", "tool", "user"]
            assert [m.content for m in trace.messages[2:4]] == ["wet", '{"wet":2}']
            assert trace.calls[0].model_dump() == WATER


def test_the_system_prompt_stands_in_an_attribute_of_its_own():
    system = json.dumps([{"type": "text", "content": "You keep a garden."}])
    trace = only(read_log(otlp(span(genai(**{"gen_ai.system_instructions": system})))))
    assert [m.content for m in trace.messages] == ["You keep a garden.", ASKED]


def test_spans_around_a_call_and_runs_of_tools_are_counted_and_not_read():
    log = read_log(
        otlp(
            span(genai(), 1),
            span({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": "{}"}, 2),
            span(genai(operation="invoke_agent"), 3),
            span({"http.method": "POST"}, 4),
            span(genai(operation="embeddings"), 5),
        )
    )
    assert log.calls == [[WATER]]
    assert log.report.read == 1
    assert log.report.no_answers == {
        "a span of something else": 2,
        "the run of a tool": 1,
        "a span around calls of a model": 1,
    }


def test_a_span_that_comes_twice_or_around_another_counts_once():
    inner = span(genai(), 2, parentSpanId=f"{1:016x}")
    log = read_log(otlp(inner), otlp(inner), otlp(span(genai(), 1)))
    assert log.calls == [[WATER]]
    assert log.report.no_answers == {"a copy of an answer": 1, "a span around calls of a model": 1}


def test_a_call_without_arguments_is_one_unless_content_is_off():
    bare = {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "water_all"}]}
    assert read_log(otlp(span(genai(got=json.dumps([bare]))))).calls == [
        [{"name": "water_all", "arguments": {}}]
    ]
    off = genai(json.dumps([{"role": "user", "parts": [{"type": "text"}]}]), json.dumps([bare]))
    assert read_log(otlp(span(off))).reasons[0].startswith("content is not logged")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        (genai(got=json.dumps([called([{"name": "water_bed", "arguments": '{"bed'}])])), "unreadable call"),
        (genai(got=json.dumps([said("assistant", "") | {"finish_reason": "tool_call"}])),
         "a call that was not logged"),
        (genai(got=json.dumps([called(finish_reason="length")])), "cut answer"),
        (genai(json.dumps([{"role": "tool", "parts": [{"type": "tool_call_response", "response": 1}]},
                           said("user", ASKED)])), "a history without its calls"),
        (genai(got=json.dumps([called(), called(TWO)])), "several choices"),
        (genai(json.dumps([said("user", "[REDACTED]")])), "redacted text"),
        (genai(json.dumps([said("user", "[Scrubbed due to 'password']")])), "redacted text"),
        (genai(got=json.dumps([called([{"name": "on", "arguments": {"n": "[Masked]"}}])])), "redacted text"),
        (genai("[{\"role\": \"user\""), "broken JSON"),
    ],
)  # fmt: skip
def test_what_is_lost_is_set_aside_by_name(attributes, reason):
    log = read_log(otlp(span(attributes)))
    assert log.calls == []
    assert log.reasons == [reason]


def test_items_of_one_answer_are_one_answer():
    got = json.dumps([said("assistant", "At once."), called([WATER]), called([TWO[1]])])
    log = read_log(otlp(span(genai(got=got, **{"gen_ai.response.id": "resp_1"}))))
    assert log.calls == [TWO]
    assert only(log).text == "At once."


def test_openlit_keeps_broken_arguments_under_a_name_of_its_own():
    got = json.dumps([called([{"name": "water_bed", "arguments": {"raw": '"ro'}}])])
    assert read_log(otlp(span(genai(got=got)), scope="openlit.instrumentation.openai")).reasons == [
        "unreadable call"
    ]


@pytest.mark.parametrize(
    ("scope", "setting"),
    [
        (
            "opentelemetry.instrumentation.genai.anthropic",
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        ),
        ("opentelemetry.instrumentation.bedrock", "TRACELOOP_TRACE_CONTENT"),
        ("pydantic-ai", "include_content"),
        ("openlit.instrumentation.mistral", "capture_message_content"),
        ("gen_ai", "recordInputs"),
        ("somebody.else", "capture of message content"),
    ],
)
def test_a_span_without_content_names_the_setting_of_its_recorder(scope, setting):
    bare = {"gen_ai.operation.name": "chat", "gen_ai.usage.output_tokens": 4}
    assert setting in read_log(otlp(span(bare), scope=scope)).reasons[0]


# Messages as events


def conversation(number=1, choice_at=9):
    call = {"id": "c0", "type": "function", "function": {
        "name": "water_bed", "arguments": json.dumps(WATER["arguments"])}}  # fmt: skip
    return [
        event("gen_ai.system.message", {"content": "You keep a garden."}, number, 1),
        event("gen_ai.user.message", {"content": ASKED}, number, 2),
        event("gen_ai.choice", {"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "tool_calls": [call]}}, number, choice_at),
    ]  # fmt: skip


def test_log_records_of_one_call_are_joined_over_lines_and_with_their_span():
    first, second = conversation(1), conversation(2)
    bare = {"gen_ai.operation.name": "chat", "gen_ai.response.model": "m-2"}
    lines = [records(*first[:1]), records(second[0], first[1]), otlp(span(bare, 1)),
             records(second[1], first[2]), otlp(span(bare, 2)), records(second[2])]  # fmt: skip
    log = read_log(*lines)
    assert log.reasons == []
    assert log.calls == [[WATER], [WATER]]
    assert [(trace.model, trace.latency_ms, len(trace.messages)) for trace in log.traces] == [
        ("m-2", 500, 2)
    ] * 2
    assert log.report.no_answers == {"part of another record": 6}


def test_a_turn_of_a_tool_is_joined_to_its_call_by_its_id():
    call = {"id": "c0", "function": {"name": "water_bed", "arguments": "{}"}}
    log = read_log(records(
        event("gen_ai.user.message", {"content": "Water it."}, at=1),
        event("gen_ai.assistant.message", {"tool_calls": [call]}, at=2),
        event("gen_ai.tool.message", {"id": "c0", "content": "wet"}, at=3),
        event("gen_ai.user.message", {"content": ASKED}, at=4),
        *conversation()[2:],
    ))  # fmt: skip
    assert [m.role for m in only(log).messages] == ["user", "assistant", "tool", "user"]
    assert log.report.results_by_order == 0


def test_log_records_without_content_name_the_setting_and_without_an_answer_the_loss():
    off = [
        event("gen_ai.user.message", None),
        event("gen_ai.choice", {"index": 0, "message": {"role": "assistant"}}),
    ]
    (reason,) = read_log(records(*off, scope="opentelemetry.instrumentation.openai_v2")).reasons
    assert "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true" in reason
    assert read_log(records(*conversation()[:2])).reasons == ["no response"]


def test_the_same_log_record_twice_says_nothing_twice():
    assert read_log(records(*conversation(), *conversation())).calls == [[WATER]]


@pytest.mark.parametrize(
    "record",
    [
        {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": ASKED,
         "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.finish_reason": "tool_calls",
         "gen_ai.completion.0.tool_calls.0.id": "c0",
         "gen_ai.completion.0.tool_calls.0.name": "water_bed",
         "gen_ai.completion.0.tool_calls.0.arguments": json.dumps(WATER["arguments"])},
        {"gen_ai.prompt": json.dumps({"messages": [{"role": "user", "content": ASKED}]}),
         "gen_ai.completion": json.dumps({"choices": [{"message": {"role": "assistant", "tool_calls": [
             {"function": WATER}]}}]})},
        {"events": json.dumps([
            {"event.name": "gen_ai.user.message", "content": ASKED, "role": "user"},
            {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "tool_calls": [
                {"function": WATER}]}}])},
    ],
)  # fmt: skip
def test_older_conventions_are_read(record):
    log = read_log(otlp(span({"gen_ai.system": "x", **record})))
    assert log.calls == [[WATER]]
    assert only(log).request == ASKED


def test_events_of_a_span_are_read():
    events = [
        {"name": "gen_ai.user.message", "attributes": pairs({"content": json.dumps([{"text": ASKED}])})},
        {"name": "gen_ai.choice", "attributes": pairs({"finish_reason": "tool_use", "message": json.dumps(
            [{"toolUse": {"toolUseId": "t", "name": "water_bed", "input": WATER["arguments"]}}])})},
    ]  # fmt: skip
    log = read_log(otlp(span({"gen_ai.operation.name": "chat"}, events=events)))
    assert log.calls == [[WATER]]
    old = [
        {"name": "gen_ai.content.prompt", "attributes": pairs({"gen_ai.prompt": json.dumps(
            [{"role": "user", "content": ASKED}])})},
        {"name": "gen_ai.content.completion", "attributes": pairs({"gen_ai.completion": json.dumps(
            [{"role": "assistant", "content": "", "tool_calls": [{"function": WATER}]}])})},
    ]  # fmt: skip
    assert read_log(otlp(span({"gen_ai.operation.name": "chat"}, events=old))).calls == [[WATER]]


def test_numbered_messages_with_a_gap_have_lost_the_head_of_the_chat():
    attributes = {"gen_ai.prompt.3.role": "user", "gen_ai.prompt.3.content": ASKED,
                  "gen_ai.completion.0.content": "Yes."}  # fmt: skip
    assert read_log(otlp(span(attributes))).reasons[0].startswith("the head of the chat is lost")


# OpenInference


def inference(messages, answers, **more):
    found = {"openinference.span.kind": "LLM", "llm.model_name": "m-1"}
    for prefix, listed in (("llm.input_messages", messages), ("llm.output_messages", answers)):
        for number, message in listed.items():
            for key, value in message.items():
                found[f"{prefix}.{number}.message.{key}"] = value
    return {**found, **more}


CALLED = {
    "role": "assistant", "tool_calls.0.tool_call.id": "c0",
    "tool_calls.0.tool_call.function.name": "water_bed",
    "tool_calls.0.tool_call.function.arguments": json.dumps(WATER["arguments"]),
}  # fmt: skip


def test_flattened_messages_are_read_with_parts_and_results():
    messages = {
        0: {"role": "system", "content": "You keep a garden."},
        1: {
            "role": "user",
            "contents.0.message_content.type": "text",
            "contents.0.message_content.text": ASKED,
        },
        2: CALLED,
        3: {"role": "tool", "content": "wet", "tool_call_id": "c0"},
        10: {"role": "user", "content": "Again."},
    }
    whole = {**{n: messages[n] for n in range(4)}, 4: messages[10]}
    trace = only(read_log(otlp(span(inference(whole, {0: CALLED})))))
    assert [m.role for m in trace.messages] == ["system", "user", "assistant", "tool", "user"]
    assert trace.messages[1].content == ASKED
    assert trace.calls[0].model_dump() == WATER
    # A gap, or a message without its role, means that attributes were dropped.
    for broken in (messages, {k: v for k, v in whole.items() if k}, {**whole, 0: {"content": "You keep"}}):
        log = read_log(otlp(span(inference(broken, {0: CALLED}))))
        assert log.reasons[0].startswith("the head of the chat is lost; set OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")


def test_the_body_is_read_where_there_are_no_messages():
    bodies = {
        "input.value": json.dumps({"messages": [{"role": "user", "content": ASKED}]}),
        "output.value": json.dumps({"choices": [{"message": {"tool_calls": [{"function": WATER}]}}]}),
    }  # fmt: skip
    assert read_log(otlp(span({"openinference.span.kind": "LLM", **bodies}))).calls == [[WATER]]


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"openinference.span.kind": "TOOL"}, "the run of a tool"),
        ({"openinference.span.kind": "AGENT"}, "a span around calls of a model"),
        ({"openinference.span.kind": "RETRIEVER"}, "a span of something else"),
    ],
)
def test_other_kinds_of_spans_are_no_answers(attributes, kind):
    assert read_log(otlp(span({**attributes, "input.value": "x"}))).report.no_answers == {kind: 1}


def test_a_hidden_text_is_no_request():
    log = read_log(otlp(span(inference({0: {"role": "user", "content": "__REDACTED__"}}, {0: CALLED}))))
    assert log.reasons[0].startswith("content is not logged; set OPENINFERENCE_HIDE_INPUTS")


def test_items_of_a_response_are_one_answer_and_choices_are_not():
    answers = {0: {"role": "assistant", "content": "At once."}, 1: CALLED}
    asked = {0: {"role": "user", "content": ASKED}}
    body = {"output.value": json.dumps({"object": "response", "output": [{"type": "message"}]})}
    assert read_log(otlp(span(inference(asked, answers, **body)))).calls == [[WATER]]
    assert read_log(otlp(span(inference(asked, answers)))).reasons == ["several choices"]


def test_a_row_of_phoenix_has_a_column_for_each_attribute():
    row = {
        "name": "ChatCompletion", "span_kind": "LLM", "context.span_id": "b", "context.trace_id": "a",
        "start_time": "2026-11-30T10:00:00+00:00", "end_time": "2026-11-30T10:00:01+00:00",
        "attributes.openinference.span.kind": "LLM", "attributes.llm.tools": None,
        "attributes.llm.input_messages": [{"message.role": "user", "message.content": ASKED}],
        "attributes.llm.output_messages": [{"message.role": "assistant", "message.tool_calls": [{
            "tool_call.function.name": "water_bed",
            "tool_call.function.arguments": json.dumps(WATER["arguments"])}]}],
    }  # fmt: skip
    log = read_log(row, columnar=True)
    assert log.calls == [[WATER]]
    assert only(log).latency_ms == 1000


# Libraries with attributes of their own


def test_the_older_telemetry_of_the_ai_sdk():
    attributes = {
        "ai.operationId": "ai.streamText.doStream", "ai.prompt.messages": json.dumps(
            [{"role": "user", "content": [{"type": "text", "text": ASKED}]}]),
        "ai.response.finishReason": "tool-calls", "ai.response.toolCalls": json.dumps(
            [{"toolCallType": "function", "toolCallId": "c", "toolName": "water_bed",
              "args": json.dumps(WATER["arguments"])}]),
    }  # fmt: skip
    assert read_log(otlp(span(attributes), scope="ai")).calls == [[WATER]]
    lost = {key: value for key, value in attributes.items() if key != "ai.response.toolCalls"} | {
        "ai.response.text": ""
    }
    assert read_log(otlp(span(lost), scope="ai")).reasons == ["a call that was not logged"]
    off = {"ai.operationId": "ai.generateText.doGenerate", "ai.response.finishReason": "stop"}
    assert "recordInputs" in read_log(otlp(span(off), scope="ai")).reasons[0]


def test_generations_of_langfuse_in_spans():
    def generation(given, got, **more):
        return otlp(span({"langfuse.observation.type": "generation", "langfuse.observation.input": given,
                          "langfuse.observation.output": got, **more}, scope="langfuse-sdk"))  # fmt: skip

    asked = json.dumps([{"role": "user", "content": ASKED}])
    item = {
        "type": "function_call",
        "call_id": "c",
        "name": "water_bed",
        "arguments": json.dumps(WATER["arguments"]),
    }
    assert read_log(generation(asked, json.dumps(item))).calls == [[WATER]]
    assert read_log(generation(asked, json.dumps([item, item | {"call_id": "d"}]))).calls == [[WATER, WATER]]
    tooled = json.dumps({"role": "assistant", "tool_calls": [{"function": WATER}]})
    assert read_log(generation(asked, tooled)).calls == [[WATER]]
    assert read_log(generation(asked, "I will.")).reasons == ["only a text at the end of a span"]
    ending = {"langfuse.observation.metadata.finish_reason": '"tool_calls"'}
    lost = json.dumps({"role": "assistant", "content": "I will."})
    assert read_log(generation(asked, lost, **ending)).reasons == ["a call that was not logged"]


def test_spans_of_mlflow_put_streamed_calls_together():
    def chunk(number, delta, ending=None):
        value = {"choices": [{"index": 0, "delta": delta, "finish_reason": ending}], "model": "m-1"}
        return {
            "name": f"mlflow.chunk.item.{number}",
            "attributes": {"mlflow.chunk.value": json.dumps(value)},
        }

    def part(index, arguments, name=None):
        return {
            "index": index,
            "id": name and f"c{index}",
            "function": {"name": name, "arguments": arguments},
        }

    chunks = [
        chunk(0, {"role": "assistant", "content": None}),
        chunk(1, {"tool_calls": [part(0, "", "water_bed"), part(1, '{"bed": ', "water_bed")]}),
        chunk(2, {"tool_calls": [part(0, '{"bed": "roses", ')]}),
        chunk(3, {"tool_calls": [part(1, '"herbs"}'), part(0, '"minutes": 5}')]}),
        chunk(4, {}, "tool_calls"),
    ]
    attributes = {
        "mlflow.spanType": '"CHAT_MODEL"',
        "mlflow.spanInputs": json.dumps({"messages": [{"role": "user", "content": ASKED}]}),
        "mlflow.spanOutputs": json.dumps(
            {"choices": [{"message": {"content": ""}, "finish_reason": "tool_calls"}]}
        ),
    }
    one = {"trace_id": "a", "span_id": "b", "attributes": attributes, "events": chunks}
    around = {"trace_id": "a", "span_id": "c", "attributes": attributes | {"mlflow.spanType": '"AGENT"'}}
    log = read_log({"info": {"trace_id": "tr-a"}, "data": {"spans": [one, around]}})
    assert log.calls == [TWO]
    assert log.report.no_answers == {"a span around calls of a model": 1}
    lost = one | {"events": [*chunks[:2], *chunks[3:]]}
    assert read_log({"trace_id": "tr-a", "request": "x", "spans": [lost]}).reasons == ["a streamed answer"]


def test_the_first_version_of_logfire():
    attributes = {
        "request_data": json.dumps({"model": "m", "messages": [{"role": "user", "content": ASKED}]}),
        "response_data": json.dumps({"message": {"role": "assistant", "tool_calls": [{"function": WATER}]}}),
    }
    assert read_log(otlp(span(attributes), scope="logfire.openai")).calls == [[WATER]]
    row = {"trace_id": "a", "span_id": "b", "otel_scope_name": "logfire.openai", "attributes": {
        key: json.loads(value) for key, value in attributes.items()}}  # fmt: skip
    assert read_log(row).calls == [[WATER]]
    streamed = attributes | {"response_data": json.dumps({"combined_chunk_content": "", "chunk_count": 4})}
    assert read_log(otlp(span(streamed), scope="logfire.openai")).reasons == [
        "only a text at the end of a span"
    ]


def test_definitions_of_tools_behind_a_chat_are_no_results():
    """Langfuse's handler for LangChain puts them there."""
    definition = {"type": "function", "function": {"name": "water_bed"}}
    given = [{"role": "user", "content": ASKED}, {"role": "tool", "content": definition}]
    got = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"name": "water_bed", "args": WATER["arguments"]}],
    }
    attributes = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.input": json.dumps(given),
        "langfuse.observation.output": json.dumps(got),
    }
    log = read_log(otlp(span(attributes)))
    assert log.calls == [[WATER]]
    assert [m.role for m in only(log).messages] == ["user"]


def test_spans_of_the_agent_development_kit():
    attributes = {
        "gen_ai.system": "gcp.vertex.agent",
        "gen_ai.request.model": "gemini",
        "gcp.vertex.agent.llm_request": json.dumps(
            {
                "model": "gemini",
                "config": {"system_instruction": "You keep a garden."},
                "contents": [{"role": "user", "parts": [{"text": ASKED}]}],
            }
        ),
        "gcp.vertex.agent.llm_response": json.dumps(
            {
                "content": {
                    "role": "model",
                    "parts": [{"function_call": {"name": "water_bed", "args": WATER["arguments"]}}],
                },
                "finish_reason": "STOP",
            }
        ),
    }
    log = read_log(otlp(span(attributes)))
    assert log.calls == [[WATER]]
    assert [m.role for m in only(log).messages] == ["system", "user"]


def test_a_log_record_with_both_sides_in_its_body():
    body = {
        "input": {"messages": [{"role": "user", "content": ASKED}]},
        "output": {"messages": [{"role": "assistant", "tool_calls": [{"function": WATER}]}]},
    }
    assert read_log(records(event("opentelemetry.instrumentation.langchain", body))).calls == [[WATER]]


def test_a_trace_as_the_server_of_mlflow_answers():
    attributes = {
        "mlflow.spanType": '"LLM"',
        "mlflow.spanInputs": json.dumps({"messages": [{"role": "user", "content": ASKED}]}),
        "mlflow.spanOutputs": json.dumps({"choices": [{"message": {"tool_calls": [{"function": WATER}]}}]}),
    }
    one = {
        "trace_id": "AAAAAAAAAAAAAAAAAAAABw==", "span_id": "AAAAAAAAAAE=",
        "start_time_unix_nano": "1796010000000000000", "end_time_unix_nano": "1796010000250000000",
        "attributes": [{"key": key, "value": {"string_value": value}} for key, value in attributes.items()],
    }  # fmt: skip
    trace = only(read_log({"trace": {"trace_info": {"trace_id": "tr-7"}, "spans": [one]}}))
    assert trace.calls[0].model_dump() == WATER
    assert (trace.id, trace.latency_ms) == (f"{7:032x}-{1:016x}", 250)


def test_spans_of_an_export_of_jaeger():
    tags = [{"key": key, "type": "string", "value": value} for key, value in genai().items()]
    one = {
        "traceID": "a", "spanID": "b", "operationName": "chat",
        "startTime": 1796010000000000, "duration": 250000,
        "references": [{"refType": "CHILD_OF", "traceID": "a", "spanID": "c"}], "tags": tags,
        "logs": [{"timestamp": 1, "fields": [{"key": "event", "type": "string", "value": "first"}]}],
    }  # fmt: skip
    around = {**one, "spanID": "c", "references": []}
    log = read_log({"data": [{"traceID": "a", "spans": [one, around], "processes": {}}]})
    assert log.calls == [[WATER]]
    assert (only(log).id, only(log).latency_ms) == ("a-b", 250)


def test_calls_in_an_attribute_of_their_own():
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.messages": json.dumps([{"role": "user", "content": ASKED}]),
        "gen_ai.response.tool_calls": json.dumps([{"id": "c", "type": "function_call", **WATER}]),
    }  # fmt: skip
    assert read_log(otlp(span(attributes))).calls == [[WATER]]


def test_the_run_of_an_agent_is_no_answer_in_any_version():
    messages = json.dumps([{"event.name": "gen_ai.user.message", "content": ASKED}])
    attributes = {"all_messages_events": messages, "gen_ai.usage.input_tokens": 5}
    assert read_log(otlp(span(attributes))).report.no_answers == {"a span around calls of a model": 1}


def test_a_record_that_notes_its_own_span_is_a_plain_record():
    messages = [
        {"role": "user", "content": ASKED},
        {"role": "assistant", "tool_calls": [{"function": WATER}]},
    ]
    record = {"trace_id": "a", "span_id": "b", "attributes": {"service": "x"}, "messages": messages}
    assert read_log(record, record | {"tags": {"a": 1}, "span_id": "c"}).calls == [[WATER], [WATER]]


def test_an_answer_to_a_part_of_a_chat_is_set_aside():
    """The Responses API goes on from an answer that it keeps; only the new turn is in the span."""
    going_on = {"gen_ai.openai.request.previous_response_id": "resp_1"}
    assert read_log(otlp(span(genai(**going_on)))).reasons == ["the history is kept elsewhere"]
    parameters = {"llm.invocation_parameters": json.dumps({"previous_response_id": "resp_1"})}
    asked = inference({0: {"role": "user", "content": ASKED}}, {0: CALLED}, **parameters)
    assert read_log(otlp(span(asked))).reasons == ["the history is kept elsewhere"]


def test_an_answer_with_nothing_in_it_is_no_answer():
    """What is empty may have held a call that was lost while it was streamed."""
    for got in ({"role": "assistant", "parts": []}, said("assistant", "")):
        assert read_log(otlp(span(genai(got=json.dumps([got]))))).reasons == ["empty answer"]

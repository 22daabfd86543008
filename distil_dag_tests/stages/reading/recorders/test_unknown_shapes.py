"""Records of gateways and tracers that are not known by name, in the shapes that their documents show.

They are read where they hold one request and one answer, and set aside where they may say something else.
"""

import json

import pytest

from distil_dag_tests.stages.reading.recorders.samples import LIGHT, read_log

ARGUMENTS = {"room": "den", "level": 40}
TEXT = json.dumps(ARGUMENTS)
SYSTEM, USER = "You control the lights of a house.", "Set the den light to 40 percent."
ASKED = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "set_light", "arguments": TEXT}}
SAID = {"role": "assistant", "content": None, "tool_calls": [CALL]}
DONE = {"role": "assistant", "content": "Done."}
GIVEN = {"model": "gpt-4o", "messages": ASKED, "tools": [LIGHT]}
GOT = {
    "object": "chat.completion",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": SAID, "finish_reason": "tool_calls"}],
}
CLAUDE_GIVEN = {"system": SYSTEM, "messages": ASKED[1:], "max_tokens": 100}
CLAUDE_GOT = {
    "type": "message", "role": "assistant", "model": "claude", "stop_reason": "tool_use",
    "content": [{"type": "tool_use", "id": "t1", "name": "set_light", "input": ARGUMENTS}],
}  # fmt: skip
GEMINI_GIVEN = {
    "systemInstruction": {"parts": [{"text": SYSTEM}]},
    "contents": [{"role": "user", "parts": [{"text": USER}]}],
}
GEMINI_GOT = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"functionCall": {"name": "set_light", "args": ARGUMENTS}}]}}
    ]
}
BEDROCK = {"schemaType": "ModelInvocationLog", "operation": "InvokeModel", "modelId": "anthropic.claude"}
READ = {
    "Bedrock, invocation log": {
        **BEDROCK, "input": {"inputBodyJson": CLAUDE_GIVEN}, "output": {"outputBodyJson": CLAUDE_GOT},
    },
    "Azure API Management, log of models": {
        "OperationName": "ChatCompletions_Create", "RequestMessages": json.dumps(ASKED),
        "ResponseMessages": json.dumps([SAID]),
    },
    "Azure API Management, diagnostics": {
        "operationName": "GatewayLogs",
        "properties": {"backendRequestBody": json.dumps(GIVEN), "backendResponseBody": json.dumps(GOT)},
    },
    "Kong": {"ai": {"proxy": {"payload": {"request": json.dumps(GIVEN), "response": json.dumps(GOT)}}}},
    "Cloudflare AI Gateway": {"request_head": json.dumps(GIVEN), "response_head": json.dumps(GOT)},
    "Portkey": {"request": {"url": "x", "body": GIVEN}, "response": {"status": 200, "body": GOT}},
    "Helicone, asynchronous": {"providerRequest": {"json": GIVEN}, "providerResponse": {"json": GOT}},
    "Databricks, inference table": {"request": json.dumps(GIVEN), "response": json.dumps(GOT)},
    "Vertex AI, rows of BigQuery": {
        "request_payload": [json.dumps(GEMINI_GIVEN)], "response_payload": [json.dumps(GEMINI_GOT)],
    },
    "Vertex AI, whole": {"full_request": GEMINI_GIVEN, "full_response": GEMINI_GOT},
    "Anthropic, batch beside its results": {
        "custom_id": "b", "params": CLAUDE_GIVEN, "result": {"type": "succeeded", "message": CLAUDE_GOT},
    },
    "Weave": {"op_name": "openai.chat.completions.create", "inputs": GIVEN, "output": GOT},
    "Opik": {"type": "llm", "trace_id": "t", "input": GIVEN, "output": GOT},
    "Literal AI": {"type": "CHAT", "messages": ASKED, "messageCompletion": SAID, "tools": [LIGHT]},
    "Literal AI, step": {"type": "llm", "generation": {"messages": ASKED, "messageCompletion": SAID}},
    "LangWatch": {
        "type": "llm", "trace_id": "t", "input": {"type": "chat_messages", "value": ASKED},
        "outputs": [{"type": "chat_messages", "value": [SAID]}],
    },
    "HoneyHive": {"event_type": "model", "inputs": {"chat_history": ASKED}, "outputs": SAID},
    "Humanloop": {"prompt": {"model": "gpt-4o"}, "messages": ASKED, "output_message": SAID, "output": None},
    "PromptLayer": {
        "input": {"type": "chat", "messages": ASKED}, "output": {"type": "chat", "messages": [SAID]},
    },
    "AgentOps": {"event_type": "llms", "prompt": ASKED, "completion": SAID},
    "Haystack": {
        "tags": {
            "haystack.component.input": {
                "messages": [{"role": one["role"], "content": [{"text": one["content"]}]} for one in ASKED],
            },
            "haystack.component.output": {
                "replies": [
                    {
                        "role": "assistant",
                        "content": [{"tool_call": {"tool_name": "set_light", "arguments": ARGUMENTS}}],
                    }
                ],
            },
        },
    },
    "AutoGen": {"type": "LLMCall", "messages": ASKED, "response": GOT},
}  # fmt: skip
SET_ASIDE = {
    "calls beside an answer": {"in": GIVEN, "out": DONE, "agent_steps": [{"name": "set_light"}]},
    "two answers": {"in": GIVEN, "out": DONE, "other": SAID},
    "two requests": {"in": GIVEN, "judge": [{"role": "user", "content": "Is it right?"}], "out": SAID},
    "an answer that was cut": {
        "in": GIVEN, "out": {"choices": [{"message": DONE, "finish_reason": "length"}]},
    },
    "an error": {"in": GIVEN, "out": {"choices": [], "error": {"message": "overloaded"}}},
    "a request alone": {"custom_id": "b", "body": GIVEN},
    "events of a stream": {
        **BEDROCK, "input": {"inputBodyJson": CLAUDE_GIVEN}, "output": {"outputBodyJson": [CLAUDE_GOT]},
    },
    "Dify": {
        "query": USER, "answer": "Done.", "message": [{"role": "user", "text": USER}],
        "agent_thoughts": [{"tool": "set_light", "tool_input": TEXT}],
    },
    "Flowise": {"role": "apiMessage", "content": "Done.", "question": USER, "usedTools": "[{}]"},
    "CrewAI": {"type": "llm_call_completed", "messages": ASKED, "response": json.dumps([CALL])},
    "an unfinished conversation of Mistral": {
        "object": "conversation.history",
        "entries": [{"type": "function.call", "name": "set_light", "arguments": TEXT}],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_one_request_and_one_answer_are_read(name):
    log = read_log(READ[name])
    assert log.reasons == []
    assert log.calls == [[{"name": "set_light", "arguments": ARGUMENTS}]]
    (trace,) = log.traces
    assert [(turn.role, turn.content) for turn in trace.messages] == [("system", SYSTEM), ("user", USER)]


@pytest.mark.parametrize("name", SET_ASIDE)
def test_what_may_say_something_else_is_set_aside(name):
    log = read_log(SET_ASIDE[name])
    assert log.traces == []
    assert len(log.reasons) == 1


def test_an_answer_without_calls_is_one_where_nothing_beside_it_may_hold_them():
    log = read_log({"in": {"messages": ASKED}, "out": DONE, "tools": [LIGHT], "cost": 0.1})
    assert [trace.text for trace in log.traces] == ["Done."]
    assert log.calls == [[]]


def test_turns_before_the_answer_stay_in_their_order():
    result = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
    later = [*ASKED, SAID, result, {"role": "user", "content": "And the hall."}]
    (trace,) = read_log({"a": {"messages": later}, "b": SAID}).traces
    assert [turn.role for turn in trace.messages] == ["system", "user", "assistant", "tool", "user"]

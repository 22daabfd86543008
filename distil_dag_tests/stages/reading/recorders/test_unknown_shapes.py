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
TEXTS = [{"role": one["role"], "parts": [{"type": "text", "content": one["content"]}]} for one in ASKED]
TOLD = [{"role": "assistant", "parts": [{"type": "tool_call", "name": "set_light", "arguments": ARGUMENTS}]}]


def blocks(role, *held, **more):
    return {"role": role, "additional_kwargs": more, "blocks": list(held)}


LLAMA_ASKED = [blocks(one["role"], {"block_type": "text", "text": one["content"]}) for one in ASKED]
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
    "LlamaIndex, calls beside the blocks": {
        "class_name": "LLMChatEndEvent", "messages": LLAMA_ASKED,
        "response": {"message": blocks("assistant", tool_calls=[CALL]), "delta": None},
    },
    "LlamaIndex, calls in blocks": {
        "class_name": "LLMChatEndEvent", "messages": LLAMA_ASKED,
        "response": {"message": blocks("assistant", {
            "block_type": "tool_call", "tool_call_id": "c", "tool_name": "set_light",
                "tool_kwargs": ARGUMENTS,
        })},
    },
    "Semantic Kernel, in Python": {"messages": [
        *({"role": one["role"], "items": [{"content_type": "text",
            "text": one["content"]}]} for one in ASKED),
        {"role": "assistant", "finish_reason": "tool_calls", "items": [
            {"content_type": "function_call", "id": "c", "name": "set_light", "arguments": TEXT},
        ]},
    ]},
    "Datadog": {
        "span_id": "1", "trace_id": "2", "meta": {
            "span.kind": "llm", "input": {"messages": ASKED}, "output": {"messages": [{
                "role": "assistant", "content": "",
                "tool_calls": [{"name": "set_light", "arguments": ARGUMENTS, "tool_id": "c",
                    "type": "function"}],
            }]},
        },
    },
    "AgentOps, spans": {
        "trace_id": "t", "span_id": "s", "span_attributes": {
            "gen_ai.operation.name": "chat", "gen_ai": {
                "prompt": {str(at): one for at, one in enumerate(ASKED)},
                "completion": {"0": {"role": "assistant", "tool_calls": {
                    "0": {"id": "c", "name": "set_light", "arguments": TEXT},
                }}},
            },
        },
    },
    "Honeycomb": {
        "trace.trace_id": "t", "trace.span_id": "s", "name": "chat", "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(TEXTS), "gen_ai.output.messages": json.dumps(TOLD),
    },
    "Elastic, spans": {"_index": "i", "_id": "1", "_source": {
        "trace_id": "t", "span_id": "s", "attributes": {
            "gen_ai.operation.name": "chat", "gen_ai.input.messages": TEXTS, "gen_ai.output.messages": TOLD,
        },
    }},
    "Arize AX": {
        "context.span_id": "s", "attributes.openinference.span.kind": "LLM",
        "attributes.llm.input_messages": [
            {f"message.{key}": value for key, value in one.items()} for one in ASKED
        ],
        "attributes.llm.output_messages": [{"message.role": "assistant", "message.tool_calls": [
            {"tool_call.function.name": "set_light", "tool_call.function.arguments": TEXT},
        ]}],
    },
    "Laminar": {
        "traceId": "t", "spanId": "s", "spanType": "LLM", "input": ASKED, "output": [SAID],
        "attributes": {"gen_ai.request.model": "m"},
    },
    "Langtrace": {"trace_id": "t", "span_id": "s", "attributes": {
        "llm.prompts": json.dumps(ASKED), "llm.responses": json.dumps([SAID]),
    }},
    "DSPy": {"prompt": None, "messages": ASKED, "kwargs": {}, "response": GOT, "outputs": [{"text": None}]},
    "Inspect": {"input": ASKED, "messages": ASKED, "output": {"choices": [{"message": {
        "role": "assistant", "content": "",
        "tool_calls": [{"id": "c", "function": "set_light", "arguments": ARGUMENTS, "type": "function"}],
    }, "stop_reason": "tool_calls"}]}},
    "LangGraph, state of a thread": {"next": [], "values": {"messages": [
        {"type": "system", "content": SYSTEM}, {"type": "human", "content": USER},
        {"type": "ai", "content": "", "tool_calls": [{"name": "set_light", "args": ARGUMENTS, "id": "c"}]},
    ]}},
    "a trajectory": {"task_id": 1, "reward": 1.0, "traj": [*ASKED, SAID]},
    "Mastra": {
        "traceId": "t", "spanId": "s", "spanType": "model_generation", "input": {"messages": ASKED},
        "output": {"text": "", "toolCalls": [{"toolCallId": "c", "toolName": "set_light",
            "args": ARGUMENTS}]},
    },
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
    "CrewAI, a text": {
        "type": "llm_call_completed", "messages": ASKED,
            "response": f"Action: set_light\nAction Input: {TEXT}",
    },
    "DSPy, fields in a text": {"messages": ASKED, "response": {"choices": [{"message": {
        "role": "assistant",
        "content": f"[[ ## next_tool_name ## ]]\nset_light\n\n[[ ## next_tool_args ## ]]\n{TEXT}",
    }}]}},
    "DSPy, a response that is no JSON": {"messages": ASKED, "response": "ModelResponse(id='x')",
        "outputs": ["y"]},
    "LlamaIndex, a start": {"class_name": "LLMChatStartEvent", "messages": LLAMA_ASKED},
    "Semantic Kernel, in .NET": {"messages": [{"Role": {"Label": "user"}, "Items": [{"Text": USER}]}]},
    "AutoGen, events of a team": {"messages": [
        {"source": "user", "content": USER, "type": "TextMessage"},
        {"source": "a", "content": [{"name": "set_light", "arguments": TEXT}],
            "type": "ToolCallRequestEvent"},
    ]},
    "Datadog, a text": {
        "span_id": "1", "trace_id": "2",
        "meta": {"span.kind": "llm", "input": {"messages": ASKED}, "output": {"value": "Done."}},
    },
    "New Relic": {"completion_id": "x", "sequence": 1, "role": "assistant", "content": "",
        "is_response": True},
    "DeepEval": {"input": USER, "actual_output": "Done.", "tools_called": [{"name": "set_light"}]},
    "a conversation beside calls": {"turns": [*ASKED, DONE], "tool_calls": [CALL]},
    "two conversations": {"turns": [*ASKED, DONE], "transcript": [*ASKED, SAID]},
    "Assistants, a step of a run": {
        "object": "thread.run.step", "step_details": {"type": "tool_calls", "tool_calls": [CALL]},
    },
    "Realtime": {"type": "response.done", "response": {"object": "realtime.response", "output": [
        {"type": "function_call", "name": "set_light", "call_id": "c", "arguments": TEXT},
    ]}},
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

"""Spans with attributes of a library's own: Langfuse, the AI SDK's older telemetry, Logfire's first version.

What went in and what came out stand in one attribute each, as JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.recorders.outcome import AROUND, OTHER, TOOL_RUN, NoAnswer, content_off
from distil_dag.stages.reading.recorders.pairs import chat_pair, is_empty, parsed
from distil_dag.stages.reading.recorders.spans.span import Span, items_of
from distil_dag.stages.reading.strict_values import Unreadable

LANGFUSE = (
    "let the generation keep input and output (capture_input, capture_output, "
    "LANGFUSE_OBSERVE_DECORATOR_IO_CAPTURE_ENABLED=true; by API: fields=core,basic,io)"
)
AI_SDK = "give telemetry recordInputs: true and recordOutputs: true"
_TOOLS = frozenset({"TOOL"})
_AROUND = frozenset({"SPAN", "AGENT", "CHAIN", "EVALUATOR", "GUARDRAIL"})
KINDS = _TOOLS | _AROUND | {"GENERATION", "EVENT", "RETRIEVER", "EMBEDDING"}
"""The types of Langfuse's observations."""
# Attributes of other libraries that hold a whole request and a whole answer.
_PAIRS = (
    ("gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response"),
    ("langwatch.input", "langwatch.output"),
    ("braintrust.input_json", "braintrust.output_json"),
    ("traceloop.entity.input", "traceloop.entity.output"),
    ("gen_ai.prompt", "gen_ai.completion"),
    ("gen_ai.request.messages", "gen_ai.response.messages"),
    ("llm.prompts", "llm.responses"),
    ("input.value", "output.value"),
    ("input", "output"),
    ("inputs", "outputs"),
    ("request", "response"),
)


def langfuse_record(span: Span) -> dict[str, Any] | None:
    """The record of a span that Langfuse's SDK wrote; None for any other span.

    Raises:
        Unreadable: content is not logged.
        NoAnswer: the span is no call of a model.
    """
    kind = span.get("langfuse.observation.type")
    if kind is None:
        return None
    refuse_other_kinds(kind)
    given, got = span.get("langfuse.observation.input"), span.get("langfuse.observation.output")
    ending = parsed(span.get("langfuse.observation.metadata.finish_reason"), "finish_reason")
    ending = ending.strip('"') if isinstance(ending, str) else None
    return observed(given, got, finish_reason=ending)


def refuse_other_kinds(kind: Any) -> None:
    """Check that an observation of Langfuse is a call of a model.

    Raises:
        NoAnswer: it is none.
    """
    kind = str(kind).upper()
    if kind != "GENERATION":
        raise NoAnswer(TOOL_RUN if kind in _TOOLS else AROUND if kind in _AROUND else OTHER)


def observed(given: Any, got: Any, **more: Any) -> dict[str, Any]:
    """The record of a generation of Langfuse.

    Raises:
        Unreadable: content is not logged.
    """
    given, got = parsed(given, "the input"), parsed(got, "the output")
    if is_empty(given) or is_empty(got):
        raise content_off(LANGFUSE)
    if isinstance(given, list):
        given = [message for message in given if not _is_definition(message)]
    return chat_pair(given, got, **more)


def _is_definition(message: Any) -> bool:
    """Whether a message is the definition of a tool, which the handler for LangChain puts behind the chat."""
    if not isinstance(message, Mapping) or message.get("role") != "tool":
        return False
    held = parsed(message.get("content"), "content")
    named = isinstance(held, Mapping) and (held.get("type") == "function" or "input_schema" in held)
    return named and message.get("tool_call_id") is None


def ai_sdk_record(span: Span) -> dict[str, Any] | None:
    """The record of a span of the AI SDK's older telemetry; None for any other span.

    Raises:
        Unreadable: content is off.
        NoAnswer: the span is no call of a model.
    """
    operation = span.get("ai.operationId")
    if not isinstance(operation, str):
        return None
    if operation == "ai.toolCall":
        raise NoAnswer(TOOL_RUN)
    if not operation.endswith((".doGenerate", ".doStream")):
        raise NoAnswer(OTHER if "mbed" in operation else AROUND)
    given = span.get("ai.prompt.messages")
    calls = span.get("ai.response.toolCalls", "ai.result.toolCalls")
    text = next(
        (span.attributes[key] for key in ("ai.response.text", "ai.result.text") if key in span.attributes),
        None,
    )
    whole = span.get("ai.response.object", "ai.result.object")
    if is_empty(given) or (calls is None and text is None and whole is None):
        raise content_off(AI_SDK)
    if not isinstance(given, list):
        raise Unreadable("wrong type", "ai.prompt.messages is no list")
    calls, _ = items_of(calls)
    message: dict[str, Any] = {"role": "assistant", "content": text if text is not None else whole}
    if calls:
        message["tool_calls"] = [_ai_sdk_call(parsed(call, "a call")) for call in calls]
    ending = span.get("ai.response.finishReason", "ai.finishReason")
    return {
        "request": {"messages": given},
        "response": {"choices": [{"message": message, "finish_reason": ending}]},
    }


def _ai_sdk_call(call: Any) -> dict[str, Any]:
    arguments = call.get("input", call.get("args")) if isinstance(call, Mapping) else None
    if arguments is None or call.get("invalid") is True:
        raise Unreadable("unreadable call", "its arguments are not logged, or marked as invalid")
    return {"id": call.get("toolCallId"), "name": call.get("toolName"), "arguments": arguments}


def logfire_record(span: Span) -> dict[str, Any] | None:
    """The record of a span of Logfire's first version; None for any other span.

    Raises:
        Unreadable: it has no answer.
    """
    given, got = span.get("request_data"), span.get("response_data")
    if not isinstance(given, Mapping) or not ({"messages", "input"} & given.keys()):
        return None
    if not isinstance(got, Mapping):
        raise Unreadable(
            "no response", "response_data is not logged; a streamed answer is in a span of its own"
        )
    if "combined_chunk_content" in got and "message" not in got:
        raise Unreadable(
            "only a text at the end of a span", "the calls of a streamed answer are not in the record"
        )
    ending, _ = items_of(span.get("gen_ai.response.finish_reasons"))
    return chat_pair(given, got.get("message") or got, finish_reason=ending[0] if ending else None)


def any_record(span: Span) -> dict[str, Any] | None:
    """The record of a span of any other library, if two of its attributes hold messages; else None."""
    given, text = span.get("gen_ai.request.messages"), span.attributes.get("gen_ai.response.text")
    calls = span.get("gen_ai.response.tool_calls")
    if isinstance(given, list) and (isinstance(calls, list) or isinstance(text, str)):
        ending, _ = items_of(span.get("gen_ai.response.finish_reasons"))
        answer = {
            "role": "assistant",
            "content": text,
            "tool_calls": calls if isinstance(calls, list) else None,
        }
        return chat_pair(given, [{"message": answer, "finish_reason": ending[0] if ending else None}])
    body = span.body if isinstance(span.body, Mapping) else {}
    kept = [tuple(span.get(name) for name in names) for names in _PAIRS]
    for given, got in ((body.get("input"), body.get("output")), *kept):
        if isinstance(given, (Mapping, list)) and isinstance(got, (Mapping, list)):
            try:
                return chat_pair(given, got)
            except Unreadable:
                return None
    return None

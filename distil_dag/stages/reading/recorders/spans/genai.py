"""OpenTelemetry's GenAI conventions: messages in parts, in attributes of a span or of a log record.

OpenTelemetry's own instrumentations, OpenLLMetry, pydantic-ai, Logfire, openlit and the AI SDK write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.formats.messages import with_system
from distil_dag.stages.reading.logged_calls import call_id
from distil_dag.stages.reading.parts import RESULTS
from distil_dag.stages.reading.recorders.outcome import (
    AROUND,
    OTHER,
    STREAMED,
    TOOL_RUN,
    NoAnswer,
    content_off,
)
from distil_dag.stages.reading.recorders.pairs import is_empty, parsed
from distil_dag.stages.reading.recorders.spans.span import Span, items_of
from distil_dag.stages.reading.strict_values import Unreadable

INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
_SYSTEM = ("gen_ai.system_instructions", "gen_ai.system.instructions")
_TOOLS = frozenset({"execute_tool", "tool", "ai.toolCall"})
_AROUND = frozenset(
    {
        "invoke_agent",
        "create_agent",
        "agent_step",
        "invoke_workflow",
        "workflow",
        "agent",
        "chain",
        "task",
        "step",
    }
)
_MODELS = frozenset(
    {"chat", "text_completion", "generate_content", "completion", "responses", "message", "inference"}
)
# The scope of a recorder, and the setting that makes it log content.
SETTINGS = (
    (("opentelemetry.instrumentation.genai", "opentelemetry.util.genai"),
     "set OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY"),
    (("opentelemetry.instrumentation.openai_v2", "opentelemetry.instrumentation.vertexai"),
     "set OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true, and keep the log records with the spans"),
    (("opentelemetry.instrumentation.",), "set TRACELOOP_TRACE_CONTENT=true"),
    (("pydantic-ai", "pydantic_ai"), "set InstrumentationSettings(include_content=True)"),
    (("openlit",), "call openlit.init(capture_message_content=True)"),
    (("gen_ai", "ai"), "give telemetry recordInputs: true and recordOutputs: true"),
    (("logfire",), "call logfire.instrument_openai(client)"),
)  # fmt: skip
# What pydantic-ai writes of a whole run.
_WHOLE_RUN = ("pydantic_ai.all_messages", "all_messages_events")
# How ids of answers begin where a request has one answer: the Responses API, Anthropic.
_ONE_ANSWER = ("resp_", "msg_")
_ANY = "turn on the recorder's capture of message content"


def setting_of(span: Span) -> str:
    """The setting that makes the recorder of a span log content."""
    for scopes, setting in SETTINGS:
        if any(span.scope == scope or (len(scope) > 6 and span.scope.startswith(scope)) for scope in scopes):
            return setting
    return next((setting for (scope, *_), setting in SETTINGS if span.scope.startswith(f"{scope}.")), _ANY)


def is_model_call(span: Span) -> bool:
    """Whether a span is a call of a model.

    Raises:
        NoAnswer: it is the run of a tool, or stands around other spans.
    """
    operation = span.get("gen_ai.operation.name", "operation.name")
    operation = operation if isinstance(operation, str) else None
    kind = str(span.get("traceloop.span.kind") or "")
    if span.has(*_WHOLE_RUN):
        raise NoAnswer(AROUND)
    if operation in _TOOLS or kind == "tool":
        raise NoAnswer(TOOL_RUN)
    if operation in _AROUND or (kind in _AROUND and operation not in _MODELS):
        raise NoAnswer(AROUND)
    if operation and operation not in _MODELS:
        raise NoAnswer(OTHER)
    return operation is not None or span.has(
        "gen_ai.request.", "gen_ai.response.", "gen_ai.usage.", "llm.request."
    )


def chat_record(span: Span) -> dict[str, Any] | None:
    """The record of a span with messages in its attributes; None where it has none.

    Raises:
        Unreadable: content is off, or part of the chat is not logged.
        NoAnswer: its answer is in a span of its own.
    """
    given, got = span.get(INPUT), span.get(OUTPUT)
    if given is None and got is None:
        return None
    given = [_message(one) for one in _list(given, INPUT)]
    if any(map(_is_hollow, given)):
        raise content_off(setting_of(span))
    if got is None:
        if (
            span.scope.startswith("logfire")
            and not span.failed
            and not span.has("gen_ai.response.finish_reasons")
        ):
            raise NoAnswer(STREAMED)
        if span.failed:
            raise Unreadable("the request failed", "the span ended in an error")
        raise (
            content_off(setting_of(span))
            if span.has("gen_ai.usage.output_tokens")
            else Unreadable("no response")
        )
    answers = [_message(one) for one in _list(got, OUTPUT)]
    if not given:
        raise content_off(setting_of(span))
    _check_history(given)
    for answer in answers:
        _check_answer(answer, span)
    system = next((parsed(span.get(name), name) for name in _SYSTEM if span.get(name)), None)
    if len(answers) > 1 and str(span.get("gen_ai.response.id")).startswith(_ONE_ANSWER):
        answers = [_as_one(answers)]
    ends, _ = items_of(span.get("gen_ai.response.finish_reasons"))
    choices = [
        {
            "message": answer,
            "finish_reason": answer.get("finish_reason") or (ends[at] if at < len(ends) else None),
        }
        for at, answer in enumerate(answers)
    ]
    return {"request": {"messages": with_system(given, system)}, "response": {"choices": choices}}


def _as_one(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The items of one answer, which a service can give only one of, as one message."""
    parts: list[Any] = []
    for answer in answers:
        held = answer.get("parts", answer.get("content"))
        parts += (
            held if isinstance(held, list) else [] if is_empty(held) else [{"type": "text", "content": held}]
        )
    return {**answers[-1], "parts": parts, "content": None}


def _list(value: Any, name: str) -> list[Any]:
    if isinstance(value, Mapping):
        value = [value] if "role" in value else items_of(value)[0]
    if value is None:
        return []
    if isinstance(value, str):
        value = [{"role": "user" if name == INPUT else "assistant", "content": value}]
    if not isinstance(value, list):
        raise Unreadable("wrong type", f"{name} is {type(value).__name__}, not a list")
    return [parsed(one, name) for one in value]


def _message(message: Any) -> dict[str, Any]:
    """A message whose calls have the id under one name."""
    if not isinstance(message, Mapping):
        raise Unreadable("wrong type", f"a message is {type(message).__name__}, not an object")
    if isinstance(message.get("parts"), str):
        return {**message, "parts": parsed(message["parts"], "parts")}
    return dict(message)


def parts_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts of a message that are objects."""
    held = message.get("parts")
    held = held if isinstance(held, list) else message.get("content")
    return [part for part in held if isinstance(part, Mapping)] if isinstance(held, list) else []


def _is_hollow(message: Mapping[str, Any]) -> bool:
    """Whether a user's message says that there was a text, and not which."""
    parts = parts_of(message)
    if message.get("role") != "user":
        return False
    hollow = [
        part for part in parts if part.get("type") == "text" and not ({"content", "text"} & part.keys())
    ]
    return bool(hollow) or (is_empty(message.get("content")) and not parts)


def _check_history(messages: list[dict[str, Any]]) -> None:
    """Check that each result of a tool stands behind a call."""
    called: set[str] = set()
    for message in messages:
        for part in parts_of(message):
            if part.get("type") == "tool_call":
                called.add(call_id(part))
            elif part.get("type") in RESULTS and not called:
                raise Unreadable(
                    "a history without its calls", "a tool's result stands there, and no call before it"
                )
        called.update(call_id(call) for call in message.get("tool_calls") or () if isinstance(call, Mapping))


def _check_answer(answer: Mapping[str, Any], span: Span) -> None:
    for part in parts_of(answer):
        if part.get("type") in RESULTS:
            raise Unreadable("an item that is not read", "the answer holds the result of a tool")
        if part.get("type") != "tool_call":
            continue
        arguments = part.get("arguments")
        # openlit keeps arguments that are no JSON so.
        if span.scope.startswith("openlit") and isinstance(arguments, Mapping) and list(arguments) == ["raw"]:
            raise Unreadable(
                "unreadable call", "its arguments are no JSON; they were lost while the answer was streamed"
            )

"""LiteLLM: what its loggers are given (`StandardLoggingPayload`), and rows of its spend logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.recorders.outcome import OTHER, NoAnswer, content_off, refuse_continued
from distil_dag.stages.reading.recorders.pairs import chat_pair, is_empty, parsed
from distil_dag.stages.reading.recorders.spans.span import milliseconds
from distil_dag.stages.reading.strict_values import Unreadable

REDACTED = "redacted-by-litellm"
LOGGER = "set litellm_settings.turn_off_message_logging: false"
SPEND = "set general_settings.store_prompts_in_spend_logs: true"
_CUT = "litellm_truncated"
_CHATS = (
    "completion",
    "acompletion",
    "responses",
    "aresponses",
    "anthropic_messages",
    "text_completion",
    "generate_content",
)


def knows(record: Mapping[str, Any]) -> bool:
    """Whether a record is one of LiteLLM."""
    return "litellm_call_id" in record or ("call_type" in record and "request_id" in record)


def chat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a call.

    Raises:
        Unreadable: content is off or cut, or the request failed.
        NoAnswer: it is a call of something else.
    """
    kind = str(record.get("call_type") or "completion")
    if not any(chat in kind for chat in _CHATS):
        raise NoAnswer(OTHER)
    if record.get("status") == "failure" or not is_empty(record.get("error_str")):
        raise Unreadable("the request failed", "status is failure")
    setting = SPEND if "request_id" in record else LOGGER
    given, got = parsed(record.get("messages"), "messages"), parsed(record.get("response"), "response")
    body = parsed(record.get("proxy_server_request"), "proxy_server_request")
    if is_empty(given) and isinstance(body, Mapping):
        given = parsed(body.get("body", body), "proxy_server_request")
    if (
        is_empty(given)
        or is_empty(got)
        or REDACTED in (given, got)
        or _is_redacted(given)
        or _is_redacted(got)
    ):
        raise content_off(setting)
    if _holds(given, _CUT) or _holds(got, _CUT):
        raise Unreadable("a text was cut; set MAX_STRING_LENGTH_PROMPT_IN_DB to more characters")
    start, end = record.get("startTime"), record.get("endTime")
    chat = chat_pair(
        given, got, model=record.get("model"), latency_ms=milliseconds(start, end), recorded_at=start
    )
    limits = parsed(record.get("model_parameters"), "model_parameters")
    if isinstance(limits, Mapping):
        refuse_continued(limits)
        room = {key: limits[key] for key in ("max_tokens", "max_completion_tokens") if key in limits}
        chat["request"] = {**room, **chat["request"]}
    return chat


def _is_redacted(value: Any) -> bool:
    return _holds(value, REDACTED)


def _holds(value: Any, sign: str, level: int = 0) -> bool:
    """Whether any text in a value holds a sign."""
    if isinstance(value, str):
        return sign in value
    if level > 12:
        return False
    held = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(_holds(one, sign, level + 1) for one in held)

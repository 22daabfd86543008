"""How a logged answer ended: one that was cut, filtered or lost its calls is no label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.strict_values import Unreadable

KEYS = ("finish_reason", "finishReason", "finish_reasons", "stop_reason", "stopReason", "done_reason")
"""Where services say how an answer ended."""
_KEYS = frozenset(KEYS)
# Objects beside a message in which frameworks keep it.
_HOLDERS = ("response_metadata", "generation_info", "additional_kwargs")

_CUT = {
    "length", "max_tokens", "max_output_tokens", "max_new_tokens", "max_completion_tokens", "model_length",
    "max_length", "token_limit", "token_limit_reached", "model_context_window_exceeded",
    "context_length_exceeded", "context_window_exceeded", "incomplete", "truncated", "pause_turn",
}  # fmt: skip
_FILTERED = {
    "content_filter", "content_filtered", "contentfilter", "filtered", "safety", "refusal", "recitation",
    "blocklist", "prohibited_content", "spii", "image_safety", "guardrail_intervened", "moderation",
    "blocked", "sensitive", "error_toxic", "flagged",
}  # fmt: skip
_FAILED = {
    "error", "failed", "cancelled", "canceled", "cancel", "abort", "aborted", "timeout", "network_error",
    "insufficient_system_resource", "malformed_function_call", "malformed_tool_use", "malformed_model_output",
    "unexpected_tool_call", "load", "unload",
}  # fmt: skip
_REASONS = {
    **dict.fromkeys(_CUT, "cut answer"),
    **dict.fromkeys(_FILTERED, "filtered answer"),
    **dict.fromkeys(_FAILED, "failed answer"),
}
_CALLED = {"tool_calls", "tool_call", "tool_use", "function_call", "function_calls", "tool"}


def refuse_unfinished(message: Mapping[str, Any]) -> None:
    """Check that an answer was neither cut nor filtered, as far as its message says.

    Raises:
        Unreadable: it says so.
    """
    for said, key in _said(message):
        if reason := _REASONS.get(said):
            raise Unreadable(reason, f"{key} is {said}")


def refuse_lost_calls(message: Mapping[str, Any]) -> None:
    """Check that a message without calls does not say that it ended in one.

    Raises:
        Unreadable: it says so.
    """
    for said, key in _said(message):
        if said in _CALLED:
            raise Unreadable("a call that was not logged", f"{key} is {said}, and there is no call")


def with_ending(message: Any, *holders: Any) -> Any:
    """A message that says how it ended, if one of the objects around it does; the nearest first."""
    if not isinstance(message, dict):
        return message
    for holder in holders:
        if isinstance(holder, dict):
            told = {key: holder[key] for key in _KEYS.intersection(holder) if not message.get(key)}
            message = {**message, **told} if told else message
    return message


def _said(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for holder in (message, *(message[name] for name in _HOLDERS if isinstance(message.get(name), dict))):
        for key in _KEYS.intersection(holder):
            value = holder[key]
            for one in value if isinstance(value, list) else (value,):
                if isinstance(one, str) and one:
                    found.append((_plain(one), key))
    return found


def _plain(said: str) -> str:
    """`FinishReason.MAX_TOKENS` and `max-tokens` as `max_tokens`."""
    return re.sub(r"[\s-]+", "_", said[:80].rsplit(".", 1)[-1].strip()).lower()

"""The calls of a logged message, in whichever of its fields they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from distil_dag.core.answers.call_objects import ARGUMENT_KEYS, LISTS, name_key, read_call
from distil_dag.core.tool_call import ToolCall, calls_key
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.endings import KEYS as ENDINGS
from distil_dag.stages.reading.parts import read_parts, without_result
from distil_dag.stages.reading.strict_values import Unreadable, check_json, clean_text, parse_json

_LISTS = ("tool_calls", "toolCalls", "toolInvocations", "tool_invocations", "function_calls")
_SPEAKING_IN_ORDER = ("invalid_tool_calls", *_LISTS, "function_call")
_SPEAKING = frozenset(_SPEAKING_IN_ORDER)
# Under which names an id of a call stands. A result's own `id` comes last: it may be that of the message.
_IDS = ("tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "call_id", "callId", "id")
_THOUGHTS = (
    "reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks", "thought",
    "reasoning_text", "thoughts",
)  # fmt: skip
# Fields of a message that hold nothing of what was said or called.
_HARMLESS = frozenset(
    {
        "role", "content", "refusal", "name", "id", "type", "_type", "index", "status", "phase", "object",
        "model", "created", "created_at", "createdAt", "timestamp", "time", "date", "usage", "usage_metadata",
        "token_usage", "response_metadata", "metadata", "provider_data", "provider_specific_fields",
        "annotations", "logprobs", "raw", "example", "weight", "author", "user", "session_id", "thread_id",
        "conversation_id", "message_id", "parent_id", "turn", "latency", "latency_ms", "cost", "feedback",
        "additional_kwargs", "experimental_attachments", "revisionId", "stop_sequence", "stop", "container",
        "tool_call_id", "cache_control", "finish_details", "generation_info", "matched_stop", *ENDINGS,
        *_LISTS, *_THOUGHTS, "function_call", "parts", "invalid_tool_calls",
    }
)  # fmt: skip
_ELSEWHERE = "an answer in another field"
# Fields of calls, whatever a framework calls them: `toolExecutionRequests`, `functionCall`, `actions`.
_OF_CALLS = re.compile(
    r"tool_?(?:call|use|invo|exec|request)|func(?:tion)?_?(?:call|invo|request)", re.IGNORECASE
)
_ALSO = frozenset({"calls", "actions", "tools_used"})
# Definitions, and what is long and holds none.
_OTHERS = frozenset({"tools", "functions", "available_tools", "logprobs", "annotations", "content", "parts"})
_ARGUMENTS = frozenset(ARGUMENT_KEYS)
_LEVELS = 5
# Beside a message `calls` may be anything.
_AROUND = frozenset({*LISTS, "tool_call", "toolCall", "function_call", "functionCall", "toolInvocations"}) - {
    "calls"
}


def logged_calls(message: Mapping[str, Any]) -> tuple[str, tuple[ToolCall, ...] | None, tuple[str, ...]]:
    """The text of an assistant's message, its calls and their ids.

    Args:
        message: the message as it was logged.

    Returns:
        The text, the calls of the first field that holds any (None where no field speaks of calls), and an
        id for each of them, empty where the log has none.

    Raises:
        Unreadable: a call can't be read, or two fields hold different calls.
    """
    text, kept = "", None
    ids: tuple[str, ...] = ()
    content = message.get("content")
    parts = message.get("parts")
    spelled: list[Any] = []
    if isinstance(content, list):
        text, spelled = read_parts(content)
    elif content is not None:
        text = clean_text(content, "content")
    if isinstance(parts, list):
        said, more = read_parts(parts)
        text, spelled = text or said, spelled or more
    for field, values in _fields(message, spelled):
        calls = checked(read_logged_call(value) for value in values)
        if kept and calls and calls_key(kept) != calls_key(calls):
            raise Unreadable("different calls in two fields", field)
        ids = ids if any(ids) or not calls else tuple(map(call_id, values))
        kept = kept or calls
    return text, kept, ids


def refuse_elsewhere(message: Mapping[str, Any], answers: bool) -> None:
    """Check that a message without text and calls holds nothing in another field.

    Args:
        message: the message as it was logged.
        answers: whether it is the log's answer; in the history, thoughts alone are no harm.

    Raises:
        Unreadable: another field holds something.
    """
    more = message.get("additional_kwargs")
    for holder in (message, more if isinstance(more, dict) else {}):
        for key, value in holder.items():
            if value in (None, "", {}, []) or (key in _HARMLESS and key not in _THOUGHTS):
                continue
            if key in _THOUGHTS and not answers:
                continue
            if key in _THOUGHTS:
                raise Unreadable("thoughts without an answer", f"only {key} holds something")
            raise Unreadable(_ELSEWHERE, f"{str(key)[:40]} holds something, content nothing")


def refuse_calls_beside(answer: Mapping[str, Any], tools: Toolset | None) -> None:
    """Check that no field of an answer without calls holds one.

    Args:
        answer: its message as it was logged.
        tools: the known tools; an object in any field that calls one of them is found as well.

    Raises:
        Unreadable: one does; it says which.
    """
    names = frozenset(tools.names) if tools is not None else frozenset[str]()
    for key, value in answer.items():
        if key in _OTHERS or not isinstance(value, (dict, list)) or not value:
            continue
        if _is_of_calls(key) or any(_is_call(one, names) for one in _objects(value, 0)):
            raise Unreadable(_ELSEWHERE, f"{key[:40]} holds a call, content only words")


def refuse_calls_around(*holders: Any) -> None:
    """Check that no object around an answer without calls has a field of calls.

    Args:
        holders: the choice, the response, the record.

    Raises:
        Unreadable: one has; it says which.
    """
    for holder in holders:
        for key, value in holder.items() if isinstance(holder, Mapping) else ():
            listed = isinstance(value, (dict, list)) or (isinstance(value, str) and value[:1] in ("[", "{"))
            if listed and key in _AROUND and value not in ([], {}, "[]", "{}"):
                raise Unreadable(
                    _ELSEWHERE, f"{key[:40]} beside the answer holds a call, the answer only words"
                )


def call_id(value: Any) -> str:
    """The id of a logged call, or of the call that a logged result answers; empty without one."""
    found = (value.get(key) for key in _IDS) if isinstance(value, Mapping) else ()
    return next((str(one) for one in found if isinstance(one, (str, int)) and str(one)), "")


def read_logged_call(value: Any) -> ToolCall:
    """The call that a logged value holds, in any shape that `read_call` knows; else Unreadable."""
    try:
        return read_call(value)
    except ValidationError:
        raise Unreadable("unreadable call", "the arguments hold what JSON does not have") from None
    except RecursionError:
        raise Unreadable("nested too deep", "the arguments") from None
    except ValueError as error:
        raise Unreadable("unreadable call", str(error)) from None


def checked(calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
    """The calls, if their names and arguments are clean text and proper JSON; else Unreadable."""
    kept = tuple(calls)
    for call in kept:
        clean_text(call.name, "the name of a tool")
        check_json(call.arguments, "the arguments")
    return kept


def _fields(message: Mapping[str, Any], spelled: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """(field, calls as logged) of every field of a message that speaks of calls."""
    more = message.get("additional_kwargs")
    holders = [("", message), ("additional_kwargs.", more)] if isinstance(more, dict) else [("", message)]
    for prefix, holder in holders:
        for name in filter(_SPEAKING.intersection(holder).__contains__, _SPEAKING_IN_ORDER):
            value = holder[name]
            if name == "invalid_tool_calls" and value:
                raise Unreadable("unreadable call", f"{prefix}{name} holds one")
            if name == "function_call" and isinstance(value, (dict, str)):
                call = from_json_text(value, name)
                yield f"{prefix}{name}", [] if call is None else [call]
            elif name in _LISTS and (calls := from_json_text(value, name)) is not None:
                listed = as_list(calls, f"{prefix}{name}")
                invoked = name not in ("tool_calls", "function_calls")
                yield f"{prefix}{name}", [without_result(call) if invoked else call for call in listed]
    if spelled:
        yield "parts", spelled


def from_json_text(value: Any, what: str) -> Any:
    """JSON text as what it means; anything else as it is."""
    if not isinstance(value, (str, bytes)):
        return value
    if not value.strip():
        return None
    try:
        return parse_json(value)
    except Unreadable as error:
        raise Unreadable(error.reason, f"{what}: {error.detail}" if error.detail else what) from None


def as_list(value: Any, what: str) -> list[Any]:
    """A list, or JSON text of one; else Unreadable."""
    value = from_json_text(value, what)
    if not isinstance(value, list):
        raise Unreadable("wrong type", f"{what} is {type(value).__name__}, not a list")
    return value


def _is_of_calls(key: str) -> bool:
    """Whether a field is called as one that holds calls."""
    return key in _ALSO or _OF_CALLS.search(key) is not None


def _is_call(value: Mapping[str, Any], names: frozenset[str]) -> bool:
    key = name_key(value)
    return key is not None and value[key] in names and not _ARGUMENTS.isdisjoint(value)


def _objects(value: Any, level: int) -> Iterator[Mapping[str, Any]]:
    """The objects in a value, which define no tools."""
    if isinstance(value, dict):
        yield value
    if level == _LEVELS:
        return
    for key, item in value.items() if isinstance(value, dict) else ((None, item) for item in value):
        if isinstance(item, (dict, list)) and key not in _OTHERS:
            yield from _objects(item, level + 1)

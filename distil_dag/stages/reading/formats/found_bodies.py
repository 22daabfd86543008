"""A request and its answer in a record of an unknown shape, found by what they are and not by their names.

Many gateways and tracers keep the bodies of OpenAI's, Anthropic's or Google's API as they were, under names
of their own. A record that holds exactly one body of each kind is read; of several nobody can tell which is
meant. A record with one conversation and neither is read as that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.recorders.pairs import parsed
from distil_dag.stages.reading.strict_values import Unreadable

_LEVELS, _MOST = 5, 400
_CHOICES = ("choices", "candidates")
_ASSISTANT = ("assistant", "model", "ai")
_DEFINITIONS = frozenset(
    {"tools", "functions", "tool_choice", "toolConfig", "tool_config", "available_tools"}
)
# Names under which frameworks keep the turns of a whole conversation.
_CONVERSATIONS = frozenset(
    {"messages", "traj", "trajectory", "turns", "dialog", "dialogue", "transcript", "user_input"}
)
# What stands in a field of such a name was asked: its last turn is no answer.
_ASKED = ("request", "prompt", "input")
# Where calls may stand beside an answer that says nothing of them.
_OF_CALLS = ("tool", "function", "thought", "action", "step")
_IN_ANSWERS = ("tool_calls", "function_call", "functionCall", "tool_use", "toolUse", "tool_call")


def found_pair(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The record as a pair of `request` and `response`, or as one of `messages`; None where it is neither.

    Args:
        record: a record of no known format.
    """
    given: list[Any] = []
    got: list[Any] = []
    talks: list[Any] = []
    beside: list[str] = []
    try:
        for name, value, is_asked in _values(record):
            if _is_request(value):
                given += [value] if value not in given else []
            elif (answer := _answer(value)) is not None:
                got += [answer] if answer not in got else []
            elif not is_asked and name in _CONVERSATIONS and _is_conversation(value):
                talks += [value] if value not in talks else []
            elif value and name not in _DEFINITIONS:
                beside.append(name.lower())
        is_talk = len(talks) == 1 and not given and not got
        if not is_talk and (len(given) != 1 or len(got) != 1 or talks):
            return None
        said = talks[0] if is_talk else got[0]
        if any(word in name for name in beside for word in _OF_CALLS) and not _says_calls(said):
            return None  # its calls may be kept there
        if is_talk:
            return {**record, "messages": said, "request": None, "response": None}
        return {**record, "messages": None, **_pair(given[0], said)}
    except (Unreadable, RecursionError):
        return None


def _pair(given: Any, got: Any) -> dict[str, Any]:
    is_body = any(name in got for name in (*_CHOICES, "stop_reason"))
    return {
        "request": given if isinstance(given, Mapping) else {"messages": given},
        "response": got if is_body else {"message": got},
    }


def _values(record: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    """What a record holds, level by level, and nothing of the bodies themselves.

    Yields:
        Name, value, and whether it stands in a field of what was asked.
    """
    level: list[tuple[str, Any, bool]] = [(str(name), value, False) for name, value in record.items()]
    left = _MOST
    for _ in range(_LEVELS):
        below: list[tuple[str, Any, bool]] = []
        for name, held, is_asked in level:
            value = parsed(held, name)
            yield name, value, is_asked
            left -= 1
            if left < 0 or name in _DEFINITIONS or _is_request(value) or _answer(value) is not None:
                continue
            if name in _CONVERSATIONS and _is_conversation(value):
                continue
            inner = is_asked or (name not in _CONVERSATIONS and any(word in name.lower() for word in _ASKED))
            if isinstance(value, Mapping):
                below += [(str(key), one, inner) for key, one in value.items()]
            elif isinstance(value, list):
                below += [(name, one, inner) for one in value[:_MOST] if isinstance(one, (Mapping, str))]
        level = below


def _is_request(value: Any) -> bool:
    """Whether a value is the body of a request, or the messages of one."""
    if isinstance(value, Mapping):
        if "choices" in value or "role" in value:
            return False
        if not _asks(value.get("messages")) and not _asks(value.get("contents")):
            return False
        return all(_answer(one) is None for one in value.values())  # else it is around both
    return _asks(value)


def _is_conversation(value: Any) -> bool:
    """Whether a value is turns of a user and of an assistant."""
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        return False
    roles = {one.get("role") or one.get("type") for one in value}
    return bool(roles & {"user", "human"}) and bool(roles & {*_ASSISTANT})


def _asks(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    roles = [one.get("role") if isinstance(one, Mapping) else None for one in value]
    return all(isinstance(role, str) for role in roles) and "user" in roles and roles[-1] not in _ASSISTANT


def _answer(value: Any) -> Any:
    """The answer that a value is: a response's body, or a turn of the assistant; None for any other."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping) and "role" in value[0]:
        value = value[0]
    if not isinstance(value, Mapping):
        return None
    if any(isinstance(value.get(name), list) and value[name] for name in _CHOICES):
        return value
    return (
        value if value.get("role") in _ASSISTANT and ("content" in value or "tool_calls" in value) else None
    )


def _says_calls(answer: Any) -> bool:
    if isinstance(answer, Mapping):
        return any(answer.get(name) for name in _IN_ANSWERS) or (
            answer.get("type") in _IN_ANSWERS or any(map(_says_calls, answer.values()))
        )
    return isinstance(answer, list) and any(map(_says_calls, answer))

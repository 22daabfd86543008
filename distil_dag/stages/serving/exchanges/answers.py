"""What the bodies of an exchange say, for a person: words of the user, calls of an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from distil_dag.core.tool_call import NO_CALL

_LONGEST = 2000


def words_of(request: Mapping[str, Any]) -> str:
    """The words of the last user turn, cut where they are long; empty without one."""
    turns = request.get("messages")
    for turn in reversed(turns if isinstance(turns, list) else []):
        if isinstance(turn, Mapping) and turn.get("role") == "user":
            return _text(turn.get("content"))[:_LONGEST]
    return ""


def tools_of(response: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The tools that an answer calls, each once; `no call` for one that calls none."""
    return tuple(dict.fromkeys(name for name, _ in _calls(response))) or (NO_CALL,)


def shown_answer(response: Mapping[str, Any] | None) -> str:
    """An answer as a person reads it: a line a call, or its words."""
    calls = _calls(response)
    said = "\n".join(f"{name}({arguments})" for name, arguments in calls) or _text(
        _message(response).get("content")
    )
    return (said or NO_CALL)[:_LONGEST]


def _message(response: Mapping[str, Any] | None) -> Mapping[str, Any]:
    choices = (response or {}).get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, Mapping) else None
    return message if isinstance(message, Mapping) else {}


def _calls(response: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    listed = _message(response).get("tool_calls")
    found = []
    for call in listed if isinstance(listed, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            arguments = function.get("arguments")
            said = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            found.append((str(function.get("name")), said))
    return found


def _text(content: Any) -> str:
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""

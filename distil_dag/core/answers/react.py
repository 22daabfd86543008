"""Calls as prompted agents write them: `Action:` with `Action Input:`, and Cohere's `Action:` with JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from distil_dag.core.answers.call_objects import calls_in, name_key, read_arguments
from distil_dag.core.answers.form import Found, NotReadable
from distil_dag.core.answers.json_text import json_values, without_fence
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

FORM = "ReAct"
_ACTION = re.compile(r"^[ \t]{0,20}Action[ \t]{0,4}:[ \t]*", re.MULTILINE)
_INPUT = re.compile(r"^[ \t]{0,20}Action[ _]Input[ \t]{0,4}:", re.MULTILINE)
_RESULT = re.compile(r"^[ \t]{0,20}Observation[ \t]{0,4}:", re.MULTILINE)
_FINAL = re.compile(r"^[ \t]{0,20}Final Answer[ \t]{0,4}:", re.MULTILINE)
_THOUGHT = re.compile(r"\A\s*(?:Thought|Plan|Reflection)[ \t]{0,4}:")
# Names by which such agents say that they call nothing.
_NOTHING = ("Final Answer", "directly_answer", "directly-answer")


def read(text: str, tools: Toolset | None) -> Found | None:
    """The call of a text with an action, or the words of a final answer behind thoughts.

    Args:
        text: what a model said.
        tools: the known tools.

    Raises:
        NotReadable: there are several actions, or the input of one is no object.
    """
    action = _ACTION.search(text)
    if action is None:
        final = _FINAL.search(text)
        return Found((), text[final.end() :].strip()) if final and _THOUGHT.match(text) else None
    words = text[: action.start()].strip()
    words = "" if _THOUGHT.match(words) else words
    rest = text[action.end() :]
    if result := _RESULT.search(rest):
        rest = rest[: result.start()]
        if _ACTION.search(text, action.end() + result.end()):
            raise NotReadable(FORM, "several steps with results that no tool gave")
    given = _INPUT.search(rest)
    if given is None:
        return _as_json(rest, words, tools)
    if _ACTION.search(rest):
        raise NotReadable(FORM, "several actions")
    name = rest[: given.start()].strip().strip("`\"'*")
    said = without_fence(rest[given.end() :])
    if name in _NOTHING:
        return Found((), said)
    if "\n" in name or not name:
        raise NotReadable(FORM, "an input without an action")
    try:
        value = None if said in ("", "None", "null") else json_values(said)
        arguments = read_arguments(value[0] if value else None, name, "Action Input")
        if value is not None and len(value) != 1:
            raise ValueError("words behind its input")
    except (ValueError, RecursionError) as error:
        raise NotReadable(FORM, str(error)) from None
    return Found((ToolCall(name=name, arguments=arguments),), words)


def _as_json(rest: str, words: str, tools: Toolset | None) -> Found | None:
    body = without_fence(rest)
    if not body.startswith(("{", "[")):
        return None
    try:
        (value,) = json_values(body)
        value = value if isinstance(value, list) else [value]
        if all(isinstance(item, dict) and _is_nothing(item) for item in value):
            said = value[0].get("action_input") if value else None
            return Found((), said if isinstance(said, str) else words)
        calls = calls_in(value, tools.names if tools is not None else None)
    except (ValueError, RecursionError, json.JSONDecodeError) as error:
        raise NotReadable("Cohere Command", str(error)) from None
    return Found(tuple(calls), words) if calls else None


def _is_nothing(value: dict[str, Any]) -> bool:
    key = name_key(value)
    return key is not None and value[key] in _NOTHING

"""How a call is written between its marks: JSON, XML, Python, Gemma's braces, or a name with JSON."""

from __future__ import annotations

import re
from typing import Any

from distil_dag.core.answers import pythonic, xml_functions
from distil_dag.core.answers.call_objects import DECODER, calls_in, read_arguments
from distil_dag.core.answers.form import NotReadable
from distil_dag.core.answers.json_text import json_values, without_fence
from distil_dag.core.answers.literals import NotALiteral, read_braced, read_literals
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

# What separates a name from its arguments: `[ARGS]`, `<|tool_sep|>`, `<|tool_call_argument_begin|>`.
_BAR = r"[|\uff5c]"
_SEPARATED = re.compile(
    rf"(?:(?P<kind>\w{{1,20}})?\s*<{_BAR}tool[_\u2581]sep{_BAR}>)?\s*(?P<name>[\w.:/-]{{1,140}})\s*"
    rf"(?:\[CALL_ID\][\w-]{{0,40}})?"
    rf"(?:\[ARGS\]|<{_BAR}tool[_\u2581]sep{_BAR}>|<\|tool_call_argument_begin\|>)?\s*(?=\{{|```|\Z)"
)
_NUMBERED = re.compile(r":\d+\Z")


def read_body(body: str, form: str, tools: Toolset | None) -> list[ToolCall]:
    """The calls between two marks, in whatever notation they are.

    Args:
        body: the text between the marks.
        form: name of the marks' form, for errors.
        tools: the known tools.

    Raises:
        NotReadable: the body is in none of the notations.
    """
    body = without_fence(body)
    if body.startswith(("{", "[{", "[ ", "[\n")) or body == "[]":
        return _json(body, form, tools)
    if "<arg_key>" in body:
        return [xml_functions.read_argument_pairs(body, tools)]
    if "<function" in body or "invoke" in body:
        found = xml_functions.read(body, tools)
        if found and (not found.words or found.words.startswith("function<")):
            return list(found.calls)
        raise NotReadable(form, "its functions as XML are not whole")
    if body.startswith("call:"):
        return _braced(body, form)
    if called := pythonic.read_calls(body, form, tools):
        return called
    return [_separated(body, form, tools)]


def _json(body: str, form: str, tools: Toolset | None) -> list[ToolCall]:
    try:
        values = json_values(body)
    except (ValueError, RecursionError) as error:
        try:
            values = read_literals(body)
        except NotALiteral:
            raise NotReadable(form, f"is no JSON: {error}") from None
    calls: list[ToolCall] = []
    for value in values:
        try:
            calls += _calls(value, tools)
        except ValueError as error:
            raise NotReadable(form, str(error)) from None
    return calls


def _calls(value: Any, tools: Toolset | None) -> list[ToolCall]:
    if isinstance(value, list):
        return [call for item in value for call in _calls(item, tools)]
    found = calls_in(value, None)
    if found is None and isinstance(value, dict) and len(value) == 1:
        # Apertus writes {"name": {arguments}}.
        ((name, arguments),) = value.items()
        if isinstance(arguments, dict) and (tools is None or name in tools):
            return [ToolCall(name=name, arguments=arguments)]
    if found is None:
        raise ValueError("a tool call needs a non-empty string `name`")
    return found


def _braced(body: str, form: str) -> list[ToolCall]:
    try:
        name, arguments = read_braced(body)
    except NotALiteral as error:
        raise NotReadable(form, str(error)) from None
    return [ToolCall(name=name, arguments=arguments)]


def _separated(body: str, form: str, tools: Toolset | None) -> ToolCall:
    found = _SEPARATED.match(body)
    if not found:
        raise NotReadable(form, "its call is in no known notation")
    name = _NUMBERED.sub("", found["name"]).removeprefix("functions.")
    rest = without_fence(body[found.end() :])
    if not rest and not (tools is None or name in tools):
        raise NotReadable(form, "words, and no call")
    try:
        return ToolCall(name=name, arguments=read_arguments(_parsed(rest), name))
    except (ValueError, RecursionError) as error:
        raise NotReadable(form, str(error)) from None


def _parsed(text: str) -> Any:
    return DECODER.decode(text) if text else None

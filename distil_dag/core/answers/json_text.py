"""Calls as JSON: the whole text, in a Markdown fence, one after the other, or behind words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from distil_dag.core.answers.call_objects import ARGUMENT_KEYS, DECODER, LISTS, calls_in
from distil_dag.core.answers.form import Found, NotReadable, outside
from distil_dag.core.answers.literals import NotALiteral, read_literals
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

FORM = "JSON"
_BETWEEN = re.compile(r"[\s;,]*")
_FENCED = re.compile(r"```[\w-]{0,20}[ \t]*\n?")
_OBJECT = re.compile(r"\[\s*\{\s*\"|\{\s*\"")
# What begins as an object; `{name}` in words does not.
_BEGINS = re.compile(r"\[?\s*\{\s*(?:[\"'{\[]|\w{1,60}\s*:|\Z)")
_KEYS = tuple(f'"{key}"' for key in (*ARGUMENT_KEYS, *LISTS, "name", "function"))
_BLANK_LINE_END = re.compile(r"[ \t;,]*(?:```)?[ \t]*(?:\n|\Z)")
_FENCE_BELOW = re.compile(r"[\s;,]*```[ \t]*")
# What may stand on a line before a call: a fence, or a list's sign.
_BLANK_LINE_START = re.compile(r"[ \t]*(?:```[\w-]*[ \t]*)?")
# Braces that begin no JSON; behind so many, a text is not searched further.
_MOST_FAILURES = 16


def read(text: str, tools: Toolset | None) -> Found | None:
    """The calls of a text that is JSON, or that holds JSON calls on lines of their own.

    Args:
        text: what a model said, without thoughts.
        tools: the known tools.

    Raises:
        NotReadable: the text is a broken call, or a call with keys that are not understood.
    """
    names = tools.names if tools is not None else None
    whole = _unquoted(without_fence(text))
    if not whole.startswith(("{", "[")):
        return _behind_words(text, names)
    try:
        values = json_values(whole)
    except (ValueError, RecursionError) as error:
        found = _behind_words(text, names)
        if found is None and (_BEGINS.match(whole) or (whole.startswith("[") and "]" not in whole)):
            return _as_python(whole, names, str(error))
        return found
    if values == [[]]:
        return Found((), "")
    calls = _calls(values, names)
    return Found(tuple(calls), "") if calls is not None else None


def json_values(text: str) -> list[Any]:
    """The JSON values of a text, with nothing but space, commas and semicolons between them.

    Raises:
        ValueError: there is anything else.
        RecursionError: a value is nested too deep.
    """
    values, at = [], 0
    while at < len(text):
        value, at = DECODER.raw_decode(text, at)
        values.append(value)
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
    return values


def without_fence(text: str) -> str:
    """The inside of a text that is one Markdown code block; any other text as it is, stripped."""
    text = text.strip()
    if text.startswith("```") and (opened := _FENCED.match(text)):
        inside = text[opened.end() :].rstrip()
        if inside.find("```", 0, -3) < 0:
            text = inside.removesuffix("```")
    elif len(text) > 2 and text[0] == text[-1] == "`" and "`" not in text[1:-1]:
        text = text[1:-1]
    return text.strip()


def _unquoted(text: str) -> str:
    """What a text of JSON holds that was written as JSON once more; any other text as it is."""
    if not text.startswith(('"{', '"[')):
        return text
    try:
        return str(DECODER.decode(text))
    except ValueError:
        return text


def _calls(values: list[Any], names: tuple[str, ...] | None) -> list[ToolCall] | None:
    try:
        found = [calls_in(value, names) for value in values]
    except ValueError as error:
        raise NotReadable(FORM, str(error)) from None
    if all(calls is None for calls in found):
        return None
    if any(calls is None for calls in found):
        raise NotReadable(FORM, "some objects are calls, others are not")
    return [call for calls in found for call in calls or ()]


def _as_python(text: str, names: tuple[str, ...] | None, why: str) -> Found | None:
    """The calls of a printed Python object; it begins as JSON does."""
    try:
        values = read_literals(text)
    except NotALiteral:
        raise NotReadable(FORM, f"begins as JSON and does not parse: {why}") from None
    calls = _calls(values, names)
    return Found(tuple(calls), "") if calls is not None else None


def _behind_words(text: str, names: tuple[str, ...] | None) -> Found | None:
    if "{" not in text or not any(key in text for key in _KEYS):
        return None
    calls: list[ToolCall] = []
    spans: list[tuple[int, int]] = []
    for value, start, end in _embedded(text):
        found = _calls([value], names)
        if found and _stands_alone(text, start, end):
            calls += found
            spans.append((_line_start(text, start), _line_end(text, end)))
    return Found(tuple(calls), outside(text, spans)) if calls else None


def _embedded(text: str) -> Iterator[tuple[Any, int, int]]:
    """Every JSON object or list of objects in a text, with its start and end."""
    at, failures = 0, 0
    while failures < _MOST_FAILURES and (opened := _OBJECT.search(text, at)):
        try:
            value, end = DECODER.raw_decode(text, opened.start())
        except (ValueError, RecursionError):
            failures += 1
            at = opened.start() + 1
            continue
        yield value, opened.start(), end
        at = end


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a value has its lines for itself, or the rest of the text."""
    if not text[end:].strip(" \t\n;,`"):
        return True
    begins = _BLANK_LINE_START.fullmatch(text[text.rfind("\n", 0, start) + 1 : start])
    return bool(begins and _BLANK_LINE_END.match(text, end))


def _line_start(text: str, start: int) -> int:
    """Where a value's line begins, with the fence above it, if nothing else stands before it there."""
    line = text.rfind("\n", 0, start) + 1
    if not _BLANK_LINE_START.fullmatch(text[line:start]):
        return start
    above = text.rfind("\n", 0, max(line - 1, 0)) + 1
    return above if _FENCED.fullmatch(text[above:line].strip() or "-") else line


def _line_end(text: str, end: int) -> int:
    """Where a value's line ends, with the fence below it."""
    rest = _FENCE_BELOW.match(text, end)
    return rest.end() if rest else end

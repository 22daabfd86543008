"""Calls as Python writes them, `[f(a=1), g()]`, and the printed objects of SDKs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from distil_dag.core.answers.call_objects import NAME_KEYS, calls_in
from distil_dag.core.answers.form import Found, NotReadable
from distil_dag.core.answers.json_text import without_fence
from distil_dag.core.answers.literals import Called, NotALiteral, read_fields, read_literals
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

FORM, PRINTED = "Python", "a printed SDK object"
_BEGINS = re.compile(r"\[?\s{0,20}(?P<name>[^\W\d][\w.:/-]{0,140})\(")
_FIELDS = re.compile(r"(?:id|index|function|name|arguments|args|type)=")
_CLASS = re.compile(r"(?:[\w.]*\.)?[A-Z]\w*\Z")
_WORDS = ("text", "output_text", "thinking", "redacted_thinking", "reasoning")
_NO_TOOLS: tuple[str, ...] = ()


def read(text: str, tools: Toolset | None) -> Found | None:
    """The calls of a text that is Python, or that ends in it on lines of its own.

    Args:
        text: what a model said, without thoughts.
        tools: the known tools; a call behind words must be of one of them.

    Raises:
        NotReadable: the text is a printed call that does not parse, or a call with arguments without names.
    """
    if "(" not in text:
        return None
    whole = without_fence(text)
    if _BEGINS.match(whole):
        calls = read_calls(whole, FORM, tools, alone=True)
        return Found(tuple(calls), "") if calls else _behind_words(text, tools)
    if _FIELDS.match(whole):
        return _printed_fields(whole, tools)
    return _behind_words(text, tools)


def read_calls(text: str, form: str, tools: Toolset | None, alone: bool = False) -> list[ToolCall] | None:
    """The calls of a text of Python.

    Args:
        text: the whole text.
        form: name of the form, for errors.
        tools: the known tools.
        alone: whether nothing marks the text as a call; then a call of unknown names is one only as a list.

    Returns:
        The calls; None where the text is no Python call.

    Raises:
        NotReadable: the text is a call that does not parse, or has arguments without names.
    """
    begins = _BEGINS.match(text)
    if not begins:
        return None
    names = tools.names if tools is not None else _NO_TOOLS
    try:
        values = [_unprinted(value) for value in read_literals(text)]
    except NotALiteral as error:
        if not alone:
            raise NotReadable(form, str(error)) from None
        if begins["name"].endswith(("Call", "ToolUse", "ToolUseBlock")):
            raise NotReadable(PRINTED, str(error)) from None
        return None
    called = [item for value in values for item in (value if isinstance(value, list) else [value])]
    if not called or not all(isinstance(item, Called) for item in called):
        return None
    listed = text.startswith("[")
    if alone and not listed and not all(_tool(item.name, names) in names for item in called):
        printed = _printed(called, names) if tools is not None or _CLASS.match(begins["name"]) else None
        if not printed and tools is not None and all(item.named and not item.values for item in called):
            raise NotReadable(form, f"{begins['name'][:40]!r} is no known tool")
        return printed
    if all(_CLASS.match(item.name) and item.name not in names for item in called):
        printed = _printed(called, names)
        if printed:
            return printed
    if any(_is_words(item) for item in called):
        raise NotReadable(PRINTED, "words, and no call")
    return [_call(item, form, names) for item in called]


def _behind_words(text: str, tools: Toolset | None) -> Found | None:
    """A call of a known tool that begins a line and ends the text."""
    if tools is None:
        return None
    names, at = set(tools.names), 0
    while at < len(text):
        begins = _BEGINS.match(text, at)
        if begins and _tool(begins["name"], names) in names:
            body = without_fence(text[at:].removesuffix("```"))
            calls = read_calls(body, FORM, tools, alone=True)
            words = text[:at].rstrip()
            return Found(tuple(calls), words.removesuffix(_fence_above(words)).rstrip()) if calls else None
        at = text.find("\n", at) + 1 or len(text)
    return None


def _fence_above(words: str) -> str:
    last = words[words.rfind("\n") + 1 :]
    return last if last.startswith("```") else ""


def _tool(name: str, names: Sequence[str] | set[str]) -> str:
    """The tool that a dotted name such as `default_api.f` or `f.call` means."""
    meant = name
    while meant not in names:
        _, dot, meant = meant.partition(".")
        if not dot:
            return _tool(name.removesuffix(".call"), names) if name.endswith(".call") else name
    return meant


def _call(item: Called, form: str, names: Sequence[str]) -> ToolCall:
    if item.values:
        raise NotReadable(form, f"{item.name[:40]!r} has arguments without names")
    for value in item.named.values():
        _refuse_called(value, form)
    name = _tool(item.name, names)
    return ToolCall(name=name if name in names else item.name.removesuffix(".call"), arguments=item.named)


def _refuse_called(value: Any, form: str) -> None:
    if isinstance(value, Called):
        raise NotReadable(form, f"a value is the result of {value.name[:40]!r}")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_called(item, form)


def _unprinted(value: Any) -> Any:
    """`print(f(a=1))` as `f(a=1)`."""
    if isinstance(value, Called) and value.name == "print" and len(value.values) == 1 and not value.named:
        return value.values[0]
    return value


def _printed(called: Sequence[Called], names: Sequence[str]) -> list[ToolCall] | None:
    """The calls of objects that an SDK printed; None where they are no calls."""
    found: list[ToolCall] = []
    for item in called:
        if _is_words(item):
            continue
        value = _as_object(item)
        if not isinstance(value, dict):
            return None
        try:
            calls = calls_in(value, None if _CLASS.match(item.name) else names)
        except ValueError as error:
            if any(key in value for key in NAME_KEYS):
                raise NotReadable(PRINTED, str(error)) from None
            return None
        if calls is None:
            return None
        found += calls
    return found


def _is_words(item: Called) -> bool:
    """Whether an object is a part of a message that holds words or thoughts."""
    kind = item.named.get("type")
    return isinstance(kind, str) and kind in _WORDS and bool(_CLASS.match(item.name))


def _printed_fields(text: str, tools: Toolset | None) -> Found | None:
    try:
        value = {key: _as_object(item) for key, item in read_fields(text).items()}
        calls = calls_in(value, tools.names if tools is not None else None)
    except ValueError as error:
        raise NotReadable(PRINTED, str(error)) from None
    return Found(tuple(calls), "") if calls else None


def _as_object(value: Any) -> Any:
    if isinstance(value, Called):
        return None if value.values else {key: _as_object(item) for key, item in value.named.items()}
    return [_as_object(item) for item in value] if isinstance(value, list) else value

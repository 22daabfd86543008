"""Calls as XML: `<function=…>`, `<invoke name=…>` and `<arg_key>`, whose values the tool's schema types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from distil_dag.core.answers.call_objects import DECODER
from distil_dag.core.answers.form import Found, NotReadable, outside
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

FORM = "function tags"
# Every repetition is bounded: a hostile text must not be read once for each of its brackets.
_PREFIX = r"(?:[\w\uff5c|]{1,20}[:\uff5c|])?"
_ATTRIBUTES = r"(?:\s[^<>]{0,200})?"
_TAGS = re.compile(
    r"<function\s{0,4}=\s{0,4}(?P<function>[^<>\n]{1,200})>"
    rf"|<{_PREFIX}(?:invoke|function)\s{{1,4}}name\s{{0,4}}=\s{{0,4}}[\"']?(?P<invoke>[^\"'<>]{{1,200}})[\"']?\s{{0,4}}>"
    r"|(?P<old><invoke>)"
    r"|<parameter\s{0,4}=\s{0,4}(?P<parameter>[^<>\n]{1,200})>"
    rf"|<{_PREFIX}param(?:eter)?\s{{1,4}}name\s{{0,4}}=\s{{0,4}}[\"']?(?P<named>[^\"'<>]{{1,200}})[\"']?(?P<how>{_ATTRIBUTES})>"
    rf"|(?P<value_end></{_PREFIX}param(?:eter)?>)"
    rf"|(?P<call_end></{_PREFIX}(?:function|invoke)>)"
)
_SIGNS = ("<function", "invoke")
_WRAPPERS = re.compile(rf"</?{_PREFIX}(?:tool_calls?|function_calls?|tools?|parameters)>")
_CHILD = re.compile(r"<([\w.-]{1,64})>([^<]*)</([\w.-]{1,64})>")
_PAIR = re.compile(r"<arg_key>([^<]{1,200})</arg_key>\s{0,20}<arg_value>")
_MARKER = "]<]minimax[>["


def read(text: str, tools: Toolset | None) -> Found | None:
    """The calls of a text that holds functions as XML, with or without tags around them.

    Args:
        text: what a model said, without thoughts.
        tools: the known tools; their schemas type the values.

    Raises:
        NotReadable: a function has no end, or holds what is no argument.
    """
    if not any(sign in text for sign in _SIGNS):
        return None
    calls, spans = [], []
    for call, start, end in _functions(text.replace(_MARKER, ""), tools):
        calls.append(call)
        spans.append((start, end))
    if not calls:
        return None
    words = _WRAPPERS.sub("", outside(text.replace(_MARKER, ""), spans)).strip()
    return Found(tuple(calls), words)


def read_argument_pairs(text: str, tools: Toolset | None) -> ToolCall:
    """The call of GLM's notation: a name, then keys and values in tags.

    Raises:
        NotReadable: a key has no value.
    """
    name, _, rest = text.partition("<arg_key>")
    name = name.replace("<tool_sep>", "").strip()
    pieces = ("<arg_key>" + rest).split("</arg_value>")
    arguments = {}
    for piece in pieces[:-1]:
        pair = _PAIR.match(piece.strip())
        if not pair:
            raise NotReadable("GLM", "a key without a value")
        arguments[pair[1].strip()] = typed(piece.strip()[pair.end() :], name, pair[1].strip(), tools)
    if pieces[-1].strip() or not name:
        raise NotReadable("GLM", "a value without an end" if name else "no name")
    return ToolCall(name=name, arguments=arguments)


def typed(text: str, name: str, key: str, tools: Toolset | None) -> Any:
    """An argument's value from its text: as the schema says, else JSON where the text is any.

    Args:
        text: the value as it was written.
        name: the tool.
        key: the argument.
        tools: the known tools.
    """
    spec = tools[name].properties.get(key) if tools is not None and name in tools else None
    kinds = _kinds(spec) if spec else set()
    if kinds == {"string"}:
        return text
    try:
        value = DECODER.decode(text.strip())
    except (ValueError, RecursionError):
        word = text.strip()
        if "string" in kinds:
            return text
        return {"True": True, "False": False, "None": None}.get(word, text)
    kind = _kind(value)
    fits = kind in kinds or (kind == "integer" and "number" in kinds)
    return text if kind == "string" or ("string" in kinds and not fits) else value


def _functions(text: str, tools: Toolset | None) -> Iterator[tuple[ToolCall, int, int]]:
    name, began, inside, key, verbatim = "", 0, 0, None, False
    arguments: dict[str, Any] = {}
    spans: list[tuple[int, int]] = []
    value_at = at = 0
    opened = False
    for tag in _TAGS.finditer(text):
        kind = tag.lastgroup if tag.lastgroup != "how" else "named"
        if key is not None and kind not in ("value_end", "call_end", "parameter", "named"):
            continue  # it stands inside a value
        if key is not None:
            value = _stripped(text[value_at : tag.start()])
            arguments[key] = value if verbatim else typed(value, name, key, tools)
            spans.append((at, tag.end() if kind == "value_end" else tag.start()))
            key = None
        if kind in ("function", "invoke", "old"):
            if opened:
                raise NotReadable(FORM, f"{name!r} has no end")
            name, began, inside = (tag["function"] or tag["invoke"] or "").strip(), tag.start(), tag.end()
            name, arguments, spans, opened = name.strip("\"'"), {}, [], True
        elif kind in ("parameter", "named") and opened:
            key = (tag["parameter"] or tag["named"]).strip().strip("\"'")
            verbatim = 'string="true"' in (tag["how"] or "")
            at, value_at = tag.start(), tag.end()
        elif kind == "call_end" and opened:
            yield _call(name, arguments, _between(text, inside, tag.start(), spans), tools), began, tag.end()
            opened = False
    if opened:
        rest = _WRAPPERS.sub("", _between(text, inside, len(text), spans)).strip()
        if key is not None or rest or not arguments:
            raise NotReadable(FORM, f"{name!r} has no end")
        yield ToolCall(name=name, arguments=arguments), began, len(text)


def _call(name: str, arguments: dict[str, Any], rest: str, tools: Toolset | None) -> ToolCall:
    """The call of one function; `rest` is what stands in it beside its parameters."""
    if rest.startswith("<tool_name>"):
        named, _, rest = rest.removeprefix("<tool_name>").partition("</tool_name>")
        name = named.strip()
    rest = _WRAPPERS.sub("", rest).strip()
    if rest.startswith("{") and not arguments:
        try:
            found = DECODER.decode(rest)
        except (ValueError, RecursionError) as error:
            raise NotReadable(FORM, f"the arguments of {name!r} are no JSON: {error}") from None
        return ToolCall(name=name, arguments=found)
    children = {}
    for child in _CHILD.finditer(rest):
        if child[1] != child[3]:
            raise NotReadable(FORM, f"tags of {name!r} do not match")
        children[child[1]] = typed(_stripped(child[2]), name, child[1], tools)
    if _CHILD.sub("", rest).strip() or not name:
        raise NotReadable(FORM, f"{name!r} holds what is no argument")
    return ToolCall(name=name, arguments=arguments | children)


def _between(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> str:
    return outside(text[start:end], [(first - start, last - start) for first, last in spans])


def _stripped(value: str) -> str:
    """A value without the line breaks that templates put around it."""
    return value.removeprefix("\n").removesuffix("\n")


def _kinds(spec: dict[str, Any]) -> set[str]:
    """The JSON types that a schema names, its alternatives' included."""
    kinds = spec.get("type", ())
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    for key in ("anyOf", "oneOf", "allOf"):
        for part in spec.get(key) or ():
            found |= _kinds(part) if isinstance(part, dict) else set()
    if not found:
        found = {_kind(value) for value in spec.get("enum", [spec["const"]] if "const" in spec else [])}
    return found


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "null" if value is None else "boolean"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) else "number"
    return "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "string"

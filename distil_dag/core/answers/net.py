"""The net behind all forms: words that have the shape of a call and that no form reads."""

from __future__ import annotations

import re
from functools import lru_cache

from distil_dag.core.answers.call_objects import DECODER, NAME_KEYS
from distil_dag.core.answers.json_text import without_fence
from distil_dag.core.toolset import Toolset

FORM = "a call in a form that is not read"
_SHAPED = re.compile(r"[<\[{(=:]|--")
_BAR = r"[|\uff5c]"
_TOKENS = re.compile(
    rf"<{_BAR}[^<>\s]{{0,30}}(?:tool|function|action|plugin|invoke|call|python|recipient)[^<>\s]{{0,30}}{_BAR}?>"
    r"|\[(?:TOOL_CALLS|TOOL_CALL|ARGS|CALL_ID)\]"
    r"|<\w{0,20}:?(?:tool_?calls?|function_?calls?|tool_use|invoke)(?:\s[^<>]{0,100})?>"
    r"|<(?:function|invoke)[= ]"
    r"|<start_function_call>|\u273fFUNCTION\u273f"
    r"|\[\[ ## (?:next_tool_name|tool_calls) ## \]\]"  # of DSPy
    r"|<details type=[\"']tool_calls[\"']",  # of Open WebUI
    re.IGNORECASE,
)
_NAMES = "|".join(NAME_KEYS)
# What makes a call of a tool's name, before it and behind it.
_BEFORE = re.compile(
    rf"(?:[\"'](?:{_NAMES})[\"']\s{{0,9}}:\s{{0,9}}[\"']"
    rf"|\b(?:{_NAMES})\s{{0,2}}[:=]\s{{0,2}}[\"']"
    rf"|(?:\A|\n)[ \t>*-]{{0,9}}(?:{_NAMES}|call|tool[ _]call|function[ _]call)\s{{0,2}}[:=]\s{{0,2}}[\"'`]?"
    rf"|<(?:{_NAMES})>\s{{0,9}}|\bto=functions\.|</?|call:)\Z",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    r"\(\s{0,9}(?:\w{1,60}\s{0,2}[=:]|[\"'\d\[{]|-\d)"
    r"|[\s`*_\"']{0,4}(?::|=>|->|=|with|\n)?\s{0,9}(?:```\w{0,10}\s{0,9})?\{\s{0,20}(?:[\"'}]|\w{1,60}\s{0,2}:)"
    r"|\[(?:ARGS|CALL_ID)\]|<\|"
)
_ALONE = re.compile(r"\(\s{0,9}\)[ \t;`]{0,4}(?:\n|\Z)")
# Quotation marks of any kind, also where JSON was written as JSON or as HTML once more.
_QUOTE = r"(?:[\"'`\u2018\u2019\u201c\u201d]|\\\\[\"']|&quot;|&#3[49];)"
_LOOKBACK = 60
_MOST_HITS = 500


def call_shape(text: str, tools: Toolset | None) -> str:
    """What in a text without readable calls looks like one; empty where nothing does.

    Args:
        text: what a model said, without thoughts.
        tools: the known tools, whose names are looked for.
    """
    if not _SHAPED.search(text):
        return ""
    if token := _TOKENS.search(text):
        return token[0][:60]
    if tools is None or not tools.names:
        return ""
    found: list[str] = []
    for hits, name in enumerate(_any_of(tools.names).finditer(text)):
        if hits > _MOST_HITS:
            break
        if _is_called(text, name, tools):
            return name[0]
        found.append(name[0])
    for named in dict.fromkeys(found):
        given = _written(tuple(tools[named].properties))
        if given and given.search(text):
            return named
    return _only_arguments(text, tools)


def _is_called(text: str, name: re.Match[str], tools: Toolset) -> bool:
    start, end = name.span()
    before = _BEFORE.search(text, max(start - _LOOKBACK, 0), start)
    if before:
        return before[0] not in ("<", "</") or text[end : end + 1] in (">", " ", "/", "\n")
    quoted = text[max(start - 1, 0) : start] in ('"', "'")
    if not quoted and _BEHIND.match(text, end):
        return True
    line = text[text.rfind("\n", 0, start) + 1 : start]
    alone = not line.strip(" \t`*->$")
    return alone and (bool(_ALONE.match(text, end)) or _assigns(text, end, name[0], tools))


def _assigns(text: str, end: int, name: str, tools: Toolset) -> bool:
    """Whether one of the tool's arguments is set right behind its name: `f a=1`, `f --a 1`."""
    rest = text[end : end + 100].lstrip(" \t:,(")
    return any(
        re.match(rf"--{re.escape(key)}\b|{re.escape(key)}\s?=", rest) for key in tools[name].properties
    )


def _only_arguments(text: str, tools: Toolset) -> str:
    """The tool whose arguments a text of JSON holds without its name, or under its name."""
    whole = without_fence(text)
    if not whole.startswith("{"):
        return ""
    try:
        value = DECODER.decode(whole)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict) or not value:
        return ""
    named = next((item for item in value.values() if isinstance(item, str) and item in tools), "")
    if named:
        return named
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key in tools and isinstance(inner, dict) and set(inner) <= set(tools[key].properties):
            return str(key)
    return next((tool.name for tool in tools.tools if set(value) <= set(tool.properties)), "")


@lru_cache(maxsize=256)
def _written(arguments: tuple[str, ...]) -> re.Pattern[str] | None:
    """Arguments as data writes them: in quotes before a colon, as a tag, or set to a value."""
    if not arguments:
        return None
    keys = "|".join(map(re.escape, arguments))
    return re.compile(
        rf"{_QUOTE}(?:{keys}){_QUOTE}\s{{0,9}}[:=]|<(?:{keys})>"
        rf"|(?:^|[(,;\[{{])[ \t]{{0,9}}(?:{keys})\s{{0,2}}=\s{{0,2}}[\"'\[{{\d-]",
        re.MULTILINE,
    )


@lru_cache(maxsize=8)
def _any_of(names: tuple[str, ...]) -> re.Pattern[str]:
    ordered = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, ordered))})(?![\w-])")

"""Harmony, the form of gpt-oss: messages in channels, calls as messages to a function."""

from __future__ import annotations

import re
from collections.abc import Iterator

from distil_dag.core.answers.form import Found, NotReadable
from distil_dag.core.answers.notations import read_body
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

FORM = "harmony"
_TOKEN = re.compile(r"<\|(start|channel|constrain|message|end|call|return)\|>")
_RECIPIENT = re.compile(r"\bto=([^\s<>]{1,200})")
# Such a text after a decoder that drops special tokens.
_BARE_FINAL = "assistantfinal"


def read(text: str, tools: Toolset | None) -> Found | None:
    """The calls and the words of a text in channels; what was only thought is left out.

    Args:
        text: what a model said.
        tools: the known tools.

    Raises:
        NotReadable: a call has no body, or one that is no JSON; or nothing but thoughts was said.
    """
    if "<|message|>" not in text and "<|channel|>" not in text:
        if text.startswith("analysis") and _BARE_FINAL in text:
            return Found((), text[text.rindex(_BARE_FINAL) + len(_BARE_FINAL) :].strip())
        return None
    calls: list[ToolCall] = []
    words = []
    for header, body in _messages(text):
        recipient = _RECIPIENT.search(header)
        if recipient and recipient[1] not in ("user", "self", "assistant"):
            calls.append(_call(recipient[1], body, tools))
        elif "analysis" not in header and not header.startswith("user"):
            words.append((body or "").strip())
    if not calls and not any(words):
        raise NotReadable(FORM, "thoughts, and no answer behind them")
    return Found(tuple(calls), "\n".join(filter(None, words)))


def _messages(text: str) -> Iterator[tuple[str, str | None]]:
    """(header, body) of every message; a body of None never began."""
    header, body, at = "", False, 0
    for token in [*_TOKEN.finditer(text), None]:
        piece = text[at : token.start() if token else len(text)]
        if body:
            yield header, piece
            header, body = "", False
        elif piece.strip():
            header = f"{header} {piece.strip()}".strip()
        at = token.end() if token else at
        if token and token[1] == "message":
            body = True
        elif token and token[1] in ("end", "call", "return") and header:
            yield header, None
            header = ""
    if header:
        # Words without any channel, or a header whose message was cut off.
        yield (header, None) if _RECIPIENT.search(header) or body else ("", header)


def _call(recipient: str, body: str | None, tools: Toolset | None) -> ToolCall:
    name = recipient.removeprefix("functions.")
    if body is None:
        raise NotReadable(FORM, f"the call of {name[:40]!r} has no arguments")
    said = body.strip()
    (call,) = read_body(f"{name}{said or '{}'}" if said[:1] in ("{", "") else said, FORM, tools)
    return call

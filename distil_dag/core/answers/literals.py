"""Values as Python, its SDKs and Gemma's templates write them, read without running anything.

Python and JSON literals, objects with bare keys, and calls `name(key=value)` inside one another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

LONGEST = 2**16
"""Characters of one text; a longer one is refused."""
_DEEPEST = 50
_CONSTANTS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_WORD = re.compile(r"[^\W\d][\w.:/-]*")
_KEY = re.compile(r"[\w.-]+")
_KEYWORD = re.compile(r"([^\W\d][\w-]*)\s*=(?!=)")
_QUOTED = {
    '"': re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL),
    "'": re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL),
}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "\n": ""}
# Gemma sets strings off by a token of its own.
_TOKENS = ("<escape>", '<|"|>')
_BARE = re.compile(r"[^,{}\[\]]+")


class NotALiteral(ValueError):
    """A text that is no such value; the message says where."""


@dataclass(frozen=True)
class Called:
    """`name(value, key=value)` as it was written."""

    name: str
    values: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)


def read_literals(text: str, bare: bool = False) -> list[Any]:
    """The values of a text, one after the other, with commas, semicolons or space between them.

    Args:
        text: the whole text.
        bare: whether text without quotes is a value, as in Gemma's notation.

    Raises:
        NotALiteral: something in the text is none.
    """
    return _read(text, bare)


def read_fields(text: str) -> dict[str, Any]:
    """The fields of a text such as `id='a' function=Function(name='f')`.

    Raises:
        NotALiteral: the text is no sequence of fields.
    """
    scanner = _Scanner(text, False)
    found = {}
    while not scanner.ended():
        key = scanner.keyword()
        found[key] = scanner.value(0)
        scanner.skip(",")
    return found


def read_braced(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of `call:name{key:value}`.

    Raises:
        NotALiteral: the text is no such call.
    """
    name, brace, rest = text.strip().removeprefix("call:").partition("{")
    if not brace or not name.strip():
        raise NotALiteral("no braces behind a name")
    values = _read("{" + rest, bare=True)
    if len(values) != 1:
        raise NotALiteral("words behind the braces")
    return name.strip(), values[0]


def _read(text: str, bare: bool) -> list[Any]:
    scanner = _Scanner(text, bare)
    found = []
    while not scanner.ended():
        found.append(scanner.value(0))
        scanner.skip(",;")
    return found


class _Scanner:
    def __init__(self, text: str, bare: bool) -> None:
        if len(text) > LONGEST:
            raise NotALiteral(f"longer than {LONGEST} characters")
        self._text = text
        self._bare = bare
        self._at = 0

    def ended(self) -> bool:
        self._space()
        return self._at >= len(self._text)

    def skip(self, characters: str) -> bool:
        self._space()
        if self._at < len(self._text) and self._text[self._at] in characters:
            self._at += 1
            return True
        return False

    def keyword(self) -> str:
        self._space()
        found = _KEYWORD.match(self._text, self._at)
        if not found:
            raise self._wrong("no `key=`")
        self._at = found.end()
        return found[1]

    def value(self, depth: int) -> Any:
        self._space()
        if depth > _DEEPEST:
            raise self._wrong(f"more than {_DEEPEST} levels")
        first = self._text[self._at : self._at + 1]
        if first in ("[", "("):
            return self._items("]" if first == "[" else ")", depth)
        if first == "{":
            return self._object(depth)
        if first in _QUOTED or first == "<":
            return self._string()
        if self._bare:
            return self._plain()
        number = _NUMBER.match(self._text, self._at)
        if number:
            self._at = number.end()
            return _number(number[0])
        return self._word(depth)

    def _plain(self) -> Any:
        """A constant, a number or words up to the next comma or bracket."""
        found = _BARE.match(self._text, self._at)
        if not found:
            raise self._wrong("no value")
        self._at = found.end()
        said = found[0].strip()
        if said in _CONSTANTS:
            return _CONSTANTS[said]
        return _number(said) if _NUMBER.fullmatch(said) else said

    def _items(self, closing: str, depth: int) -> Any:
        opened = self._at
        self._at += 1
        found, commas = [], 0
        while not self.skip(closing):
            found.append(self.value(depth + 1))
            if not self.skip(","):
                if not self.skip(closing):
                    raise self._wrong(f"no {closing!r}")
                break
            commas += 1
        return found[0] if self._text[opened] == "(" and len(found) == 1 and not commas else found

    def _object(self, depth: int) -> dict[str, Any]:
        self._at += 1
        found: dict[str, Any] = {}
        while not self.skip("}"):
            key = self._key()
            if not self.skip(":"):
                raise self._wrong("no `:` behind a key")
            found[key] = self.value(depth + 1)
            if not self.skip(","):
                if not self.skip("}"):
                    raise self._wrong("no `}`")
                break
        return found

    def _key(self) -> str:
        self._space()
        if self._text[self._at : self._at + 1] in ('"', "'", "<"):
            return self._string()
        found = _KEY.match(self._text, self._at)
        if not found:
            raise self._wrong("no key")
        self._at = found.end()
        return found[0]

    def _string(self) -> str:
        for token in _TOKENS:
            if self._text.startswith(token, self._at):
                start = self._at + len(token)
                end = self._text.find(token, start)
                if end < 0:
                    raise self._wrong("a text without end")
                self._at = end + len(token)
                return self._text[start:end]
        quoted = _QUOTED.get(self._text[self._at : self._at + 1])
        found = quoted.match(self._text, self._at) if quoted else None
        if not found:
            raise self._wrong("a text without end")
        self._at = found.end()
        return _ESCAPE.sub(_unescaped, found[1]) if "\\" in found[1] else found[1]

    def _word(self, depth: int) -> Any:
        found = _WORD.match(self._text, self._at)
        if found and self._text[found.end() : found.end() + 1] == "(":
            self._at = found.end() + 1
            return self._called(found[0], depth)
        if found and found[0] in _CONSTANTS:
            self._at = found.end()
            return _CONSTANTS[found[0]]
        raise self._wrong("no value")

    def _called(self, name: str, depth: int) -> Called:
        values, named = [], {}
        while not self.skip(")"):
            self._space()
            if _KEYWORD.match(self._text, self._at):
                key = self.keyword()
                if key in named:
                    raise self._wrong(f"{key} stands twice")
                named[key] = self.value(depth + 1)
            else:
                values.append(self.value(depth + 1))
            if not self.skip(","):
                if not self.skip(")"):
                    raise self._wrong("no `)`")
                break
        return Called(name, tuple(values), named)

    def _space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _wrong(self, what: str) -> NotALiteral:
        return NotALiteral(f"{what} at character {self._at}")


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise NotALiteral(f"{text[:40]!r} is no number") from None


def _unescaped(found: re.Match[str]) -> str:
    said = found[1]
    if said[0] in "xuU" and len(said) > 1:
        code = int(said[1:], 16)
        return chr(code) if code < 0x110000 else found[0]
    return _ESCAPED.get(said, said if said in "\\'\"/" else found[0])

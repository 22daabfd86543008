"""JSON documents that hold many records, read record by record in bounded memory.

A document is an array, an object with a list in it, or JSON values one behind the other. Each record is cut
out by its brackets before it is parsed, so that a broken one loses only itself.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

from distil_dag.stages.reading.envelopes import LISTS as ENVELOPES
from distil_dag.stages.reading.records_in import LISTS, is_conversation, is_list_of_records, records_in
from distil_dag.stages.reading.strict_values import MAX_RECORD_BYTES, Unreadable, parse_json, too_large

_CHUNK = 2**18
_MAX_LEVELS = 4
# Strings end at a raw line break, which JSON forbids in them: a missing quote costs one line.
_IN_STRING = rb'(?:[^"\\\n]++|\\(?s:.))*+'
_STRING = rb'"' + _IN_STRING + rb'["\n]'
_NEXT_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb')*+([\[\]{}"]?)')
_NEXT_BRACKET_OR_QUOTE = re.compile(rb'[^"\[\]{}]*+([\[\]{}"]?)')
_STRING_END = re.compile(_IN_STRING + rb'(["\n]?)')
_SCALAR = re.compile(_STRING + rb'|[^",\]}\s][^,\]}\s]*+|[\]}]')
_LIST_KEY = re.compile(rb'"(?:' + "|".join(sorted(LISTS)).encode() + rb')"\s*+:\s*+\[')
# What a collector keeps spans in, which may be of any length.
_ENVELOPE = re.compile(
    rb'"(?:' + "|".join(sorted(ENVELOPES)).encode() + rb'|spans|logRecords)"\s*+:\s*+\[\s*+\{'
)
_ENVELOPE_STARTS = 512
# The separators of JSON text sequences count as space.
_SPACE = re.compile(rb"[\s,:\x1e]*+")
_OPEN_LINE = re.compile(rb"[\[{,:]\s*\Z")
_SAMPLE_LINES = 50
_BOM = b"\xef\xbb\xbf"
_OPENERS = {b"}": b"{", b"]": b"["}
_BREAKS_OFF = "the file breaks off"


def is_document(head: bytes, whole: bool = True) -> bool:
    """Whether JSON is no record a line: its first value goes on behind its first line.

    Args:
        head: the first bytes.
        whole: whether these are all; a first line without an end is then no document by itself.
    """
    text = head.removeprefix(_BOM).lstrip()
    if text[:1] not in (b"{", b"["):
        return False
    line, ending, rest = text.partition(b"\n")
    if not ending and not whole:
        return True
    try:
        parse_json(line)
    except Unreadable as problem:
        if problem.reason != "broken JSON":
            return len(line) > MAX_RECORD_BYTES
        if text[:1] == b"[" or _OPEN_LINE.search(line):
            return True
        lines = [line.lstrip() for line in rest.split(b"\n")[:_SAMPLE_LINES] if line.strip()]
        # The lines behind a broken record begin records.
        return bool(lines) and not any(line.startswith(b"{") for line in lines)
    return False


def is_envelope(start: bytes) -> bool:
    """Whether a line of this start holds the spans of a collector, however long it is."""
    return start[:1] == b"{" and _ENVELOPE.search(start, 0, _ENVELOPE_STARTS) is not None


class Element(NamedTuple):
    """One record of a document.

    Attributes:
        number: Which one it is, counted from 1.
        line: The line where it starts, counted from 1.
        value: The record; None where it can't be read.
        raw: Its bytes.
        problem: Why it has no `value`.
    """

    number: int
    line: int
    value: Any
    raw: bytes
    problem: Unreadable | None = None


def read_document(read: Callable[[int], bytes]) -> Iterator[Element]:
    """The records of a document, in order.

    Args:
        read: Gives the next bytes of the document, at most so many; none at its end.
    """
    number = 0
    for line, value, raw, problem in _Values(_Window(read)).top():
        records = [value] if problem else records_in(value)
        lines = _lines_in(raw, line) if len(records) > 1 else [line]
        for place, record in enumerate(records):
            number += 1
            yield Element(number, lines[place] if len(lines) == len(records) else line, record, raw, problem)


def _lines_in(raw: bytes, start: int) -> list[int]:
    """The lines where the records of an object start, if they stand in one list of it."""
    window = _Window(io.BytesIO(raw).read)
    window.next_byte()
    return [start - 1 + line for line, *_ in _Values(window).members()]


_Found = tuple[int, Any, bytes, Unreadable | None]


class _Window:
    """The part of a document that is in memory."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.data = b""
        self.at = 0
        self.line = 1
        self.started = self.ended = False
        # What stands before the value on its line, if that is space.
        self.indent: bytes | None = b""

    def fill(self) -> bool:
        """Read more, and whether there was any; places count from `at`, which moves to 0."""
        chunk = self._read(_CHUNK)
        self.ended = not chunk
        self.data, self.at = self.data[self.at :] + chunk, 0
        return not self.ended

    def next_byte(self) -> bytes:
        """The first byte of the next value or bracket; nothing at the end."""
        space = b""
        if not self.started:
            space, self.started = b"\n", True
            while len(self.data) < len(_BOM) and self.fill():
                pass
            self.take(len(_BOM) if self.data.startswith(_BOM) else 0)
        while True:
            match = _SPACE.match(self.data, self.at)
            space += self.take(match.end() - self.at if match else 0)
            if self.at < len(self.data) or not self.fill():
                break
        above, _, indent = space.rpartition(b"\n")
        self.indent = indent if above or space[:1] == b"\n" else None
        return self.data[self.at : self.at + 1]

    def take(self, length: int) -> bytes:
        """The next bytes, which are done with."""
        taken = self.data[self.at : self.at + length]
        self.line += taken.count(b"\n")
        self.at += length
        return taken

    def span(self, limit: int) -> int:
        """Length of the value that starts here; -1 if it passes the limit, or the document ends in it."""
        if self.data[self.at : self.at + 1] not in (b"{", b"["):
            return self._scalar_span(limit)
        stack: list[bytes] = []
        passed = 0
        while True:
            match = _NEXT_BRACKET.match(self.data, self.at + passed)
            bracket = match[1] if match else b""
            if match is None or bracket in (b"", b'"'):
                passed = (match.start(1) if match else len(self.data)) - self.at
                if len(self.data) - self.at > limit or not self.fill():
                    return -1
            elif bracket in b"[{":
                passed = match.end() - self.at
                stack.append(bracket)
            else:
                if _OPENERS[bracket] not in stack:
                    return match.start(1) - self.at  # closes what is around: this value is broken
                while stack.pop() != _OPENERS[bracket]:
                    pass
                passed = match.end() - self.at
                if not stack:
                    return passed

    def skip(self) -> None:
        """Pass over a value of any length."""
        depth, in_string = 0, False
        while True:
            match = (_STRING_END if in_string else _NEXT_BRACKET_OR_QUOTE).match(self.data, self.at)
            end = match[1] if match else b""
            self.take(match.end() - self.at if match else 0)
            if not end:
                if not self.fill():
                    self.take(len(self.data))
                    return
            elif in_string or end == b'"':
                in_string = not in_string
            else:
                depth += 1 if end in b"[{" else -1
            if end and depth <= 0 and not in_string:
                return

    def _scalar_span(self, limit: int) -> int:
        while True:
            match = _SCALAR.match(self.data, self.at)
            if match and match.end() < len(self.data):
                return match.end() - self.at
            if len(self.data) - self.at > limit:
                return -1
            if not self.fill():
                return match.end() - self.at if match else len(self.data) - self.at


class _Values:
    """Walks through a document down to the values that may be records."""

    def __init__(self, window: _Window) -> None:
        self._window = window

    def top(self) -> Iterator[_Found]:
        """The values of the document."""
        window = self._window
        while first := window.next_byte():
            whole = window.span(MAX_RECORD_BYTES)
            if first == b"[" and not (whole >= 0 and self._is_conversation(whole)):
                yield from self._elements()
            elif first == b"{" and (problem := self._problem_of_list(whole)):
                line, start = window.line, window.data[window.at : window.at + 4096]
                if not (yield from self.members()):
                    yield line, None, start, problem
            else:
                yield self._value(whole)

    def _problem_of_list(self, length: int) -> Unreadable | None:
        """Why an object that may hold a list of records can't be parsed as a whole."""
        window = self._window
        raw = window.data[window.at :] if length < 0 else window.data[window.at : window.at + length]
        key, sibling = _LIST_KEY.search(raw), self._next_sibling(raw)
        if key and sibling and not raw[key.end() : sibling].strip():
            sibling = 0  # the first record of the list, which is not indented
        if not key or sibling:
            return too_large() if length < 0 and not window.ended and not sibling else None
        if length < 0:
            return Unreadable(_BREAKS_OFF, "the last record has no end") if window.ended else too_large()
        try:
            parse_json(raw)
        except Unreadable as problem:
            return problem
        return None

    def _is_conversation(self, length: int) -> bool:
        try:
            window = self._window
            return is_conversation(parse_json(window.data[window.at : window.at + length]))
        except Unreadable:
            return False

    def _elements(self) -> Iterator[_Found]:
        window = self._window
        line = window.line
        window.take(1)
        while (first := window.next_byte()) not in (b"]", b""):
            if first == b"}":
                window.take(1)
                continue
            length = window.span(MAX_RECORD_BYTES)
            if length < 0 and first == b"{" and _ENVELOPE.search(window.data, window.at):
                yield from self.members()
            else:
                yield self._value(length)
        if not first:
            yield line, None, b"", Unreadable(_BREAKS_OFF, f"the list of line {line} has no end")
        window.take(1)

    def members(self, level: int = 1) -> Generator[_Found, None, bool]:
        """The records in an object that is no record itself; in the end, whether it held a list of them."""
        window, found, scope = self._window, False, None
        window.take(1)
        while (window.next_byte()) not in (b"}", b""):
            key = window.take(max(window.span(MAX_RECORD_BYTES), 1)).strip(b'"').decode(errors="replace")
            first = window.next_byte()
            if first == b"[" and self._is_list_of_records(key):
                found = True
                for line, value, raw, problem in self._elements():
                    yield line, {**value, "scope": scope} if scope and value else value, raw, problem
            elif first == b"{" and key == "scope" and (length := window.span(MAX_RECORD_BYTES)) > 0:
                scope = self._value(length)[1]
            elif first == b"{" and level < _MAX_LEVELS and not found and window.span(MAX_RECORD_BYTES) < 0:
                found = yield from self.members(level + 1)
            elif first in (b"{", b"[", b'"'):
                window.skip()
            else:
                window.take(max(window.span(MAX_RECORD_BYTES), 1))
        window.take(1)
        return found

    def _is_list_of_records(self, key: str) -> bool:
        """Whether the list that starts here holds records, by its key or its first element."""
        window = self._window
        window.at += 1
        opening = window.next_byte()
        length = window.span(MAX_RECORD_BYTES)
        first = window.data[window.at : window.at + max(length, 0)]
        # The bracket has to be seen again: a filled window starts behind it.
        window.data, window.at = b"[" + window.data[window.at :], 0
        try:
            return is_list_of_records(key, parse_json(first))
        except Unreadable:
            return opening == b"{" and is_list_of_records(key, {})

    def _value(self, length: int) -> _Found:
        window = self._window
        line = window.line
        if length >= 0:
            raw = window.data[window.at : window.at + length]
            try:
                value = parse_json(raw)
            except Unreadable as problem:
                return line, None, self._broken(raw), problem
            window.take(length)
            return line, value, raw, None
        start = window.data[window.at : window.at + 4096]
        if self._next_sibling(window.data[window.at :]):
            return (
                line,
                None,
                self._broken(window.data[window.at :]),
                Unreadable("broken JSON", "it has no end"),
            )
        if window.ended:
            window.take(len(window.data) - window.at)
            return line, None, start, Unreadable(_BREAKS_OFF, "the last record has no end")
        window.skip()
        return line, None, start, too_large()

    def _broken(self, raw: bytes) -> bytes:
        """Pass over a broken value, up to the next line that starts as its own does."""
        return self._window.take(self._next_sibling(raw) or len(raw))

    def _next_sibling(self, raw: bytes) -> int:
        """Where in a broken value the next one starts; 0 if that can't be told."""
        indent = self._window.indent
        return (
            0 if raw[:1] != b"{" or indent is None or indent.strip() else raw.find(b"\n" + indent + b"{") + 1
        )

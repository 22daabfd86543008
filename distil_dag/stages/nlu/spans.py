"""Where an argument's value stands in the words of a request, and how to put another there.

A request whose grounded values are cut out is a template: real words of a real user that take
other values (delexicalisation and its way back).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from distil_dag.core.case import Case
from distil_dag.core.scripts import MARKS, SIGN, SPACED, is_dense, is_whole, run
from distil_dag.core.tool_call import ToolCall

Span = tuple[int, int]
Path = tuple[int, str]
"""Which value: the place of the call in the case, and the argument's name."""

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_RUN = run(SPACED)
_TOKEN = re.compile(rf"{_RUN}(?:['\u2019]{_RUN})*|{SIGN}|[^\w\s][{MARKS}]*")
# Signs of a script without spaces that are taken to be as long as a word.
_SIGNS = 3
# Texts and values beyond these many characters are no spoken request; what is cut off is not read.
_LONGEST_TEXT, _LONGEST_VALUE = 4000, 400

OUTSIDE = ""
"""The tag of a word that belongs to no argument."""


def tokens(text: str) -> list[tuple[str, int, int]]:
    """Case-folded words and punctuation of a text with their character spans.

    Where a script writes no spaces, each of its letters is a word.
    """
    return [(m.group().casefold(), m.start(), m.end()) for m in _TOKEN.finditer(text)]


def stands_in(value: str, text: str) -> bool:
    """True if the value is a run of whole words of the text, letter for letter."""
    spans = tokens(text)
    starts, ends = {start for _, start, _ in spans}, {end for *_, end in spans}
    return any(text.startswith(value, start) and start + len(value) in ends for start in starts if value)


def grams(words: Sequence[str], most: int) -> Iterator[tuple[str, int, int]]:
    """Every run of up to so many words: joined by spaces, where it begins, and the end behind it.

    Of a script without spaces, three letters count as a word.
    """
    sizes = [1 if is_dense(word) else _SIGNS for word in words]
    for start in range(len(words)):
        left = most * _SIGNS
        for end in range(start + 1, len(words) + 1):
            left -= sizes[end - 1]
            if left < 0:
                break
            yield " ".join(words[start:end]), start, end


def number_words(number: int) -> str | None:
    """English words of a whole number from -999 to 999, else None."""
    if number < 0:
        rest = number_words(-number)
        return f"minus {rest}" if rest else None
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f" {_SMALL[ones]}" if ones else "")
    if number < 1000:
        hundreds, rest_of_it = divmod(number, 100)
        tail = f" {number_words(rest_of_it)}" if rest_of_it else ""
        return ("one" if hundreds == 1 else _SMALL[hundreds]) + " hundred" + tail
    return None


def surfaces(value: Any) -> tuple[str, ...]:
    """How users may write a value: a string as it is or with spaces for `_`, a number in digits or words.

    Booleans, null, lists and objects have no words of their own.
    """
    if isinstance(value, bool) or value is None or isinstance(value, (list, dict)):
        return ()
    if isinstance(value, str):
        text = " ".join(value.split())
        return tuple(dict.fromkeys(form for form in (text, text.replace("_", " ")) if form.strip()))
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    spoken = number_words(number) if isinstance(number, int) else None
    return (str(number), spoken) if spoken else (str(number),)


@lru_cache(maxsize=65536)
def _pattern(surface: str) -> re.Pattern[str]:
    body = r"[\s_-]+".join(re.escape(part) for part in surface.split())
    # `20%` is 20, `20.5` and `120` are not.
    before, after = (r"(?<!\.)", r"(?![.,]\d)") if surface.lstrip("-")[:1].isdigit() else ("", "")
    return re.compile(before + body + after, re.IGNORECASE)


def locate(value: Any, text: str) -> list[Span]:
    """Every place where the words hold the value, as whole words, in order."""
    for surface in surfaces(value):
        found, place = [], 0
        while match := _pattern(surface).search(text, place):
            whole = is_whole(text, *match.span())
            found += [match.span()] if whole else []
            place = match.end() if whole else match.start() + 1
        if found:
            return found
    return []


class Words:
    """The words of a request, and where values stand in them."""

    def __init__(self, text: str) -> None:
        self.text = text = text[:_LONGEST_TEXT]
        found = tokens(text)
        self.words = [word for word, _, _ in found]
        self._starts = [start for _, start, _ in found]
        self._ends = [end for _, _, end in found]

    def places(self, value: Any) -> list[list[int]]:
        """The positions of the words at each place where the text holds the value."""
        if len(str(value)) > _LONGEST_VALUE:
            return []
        return [
            list(range(bisect_right(self._ends, start), bisect_left(self._starts, end)))
            for start, end in locate(value, self.text)
        ]


def leaves(value: Any) -> list[Any]:
    """The plain values in a value: itself, or those that a list or an object holds."""
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


def slot_tags(words: Words, calls: Iterable[ToolCall]) -> tuple[list[str], list[tuple[str, Any]]]:
    """The argument that each word belongs to under these calls, and the values not in the words.

    Long values choose their place first; a word has one argument.
    """
    tags = [OUTSIDE] * len(words.words)
    absent: list[tuple[str, Any]] = []
    pairs = [
        (name, leaf) for call in calls for name, value in call.arguments.items() for leaf in leaves(value)
    ]
    for name, value in sorted(pairs, key=lambda pair: -len(str(pair[1]))):
        free = [place for place in words.places(value) if all(tags[n] == OUTSIDE for n in place)]
        if not free:
            absent.append((name, value))
        for n in free[0] if free else ():
            tags[n] = name
    return tags, absent


@dataclass(frozen=True)
class Template:
    """A case whose last request has slots: which value stands where. Other values are fixed."""

    case: Case
    slots: tuple[tuple[Path, Span], ...]

    @property
    def paths(self) -> frozenset[Path]:
        return frozenset(path for path, _ in self.slots)

    def tags(self) -> list[str]:
        """For each word of the request the argument in whose slot it stands."""
        return [
            next((name for (_, name), slot in self.slots if contains((start, end), [slot])), OUTSIDE)
            for _, start, end in tokens(self.case.request)
        ]

    def frame(self, path: Path) -> tuple[str, str]:
        """The words just before and after a slot; empty at the ends of the request."""
        start, end = next(span for found, span in self.slots if found == path)
        before, after = tokens(self.case.request[:start]), tokens(self.case.request[end:])
        return (before[-1][0] if before else "", after[0][0] if after else "")

    def fill(self, values: Mapping[Path, Any]) -> tuple[str, tuple[ToolCall, ...]]:
        """The request with other values in its slots, and the calls that it then means."""
        text, done = self.case.request, len(self.case.request) + 1
        for path, (start, end) in sorted(self.slots, key=lambda slot: slot[1], reverse=True):
            if path in values and end <= done:
                surface = _like(text[start:end], values[path])
                text = _article(text[:start], surface) + surface + text[end:]
                done = start
        calls = tuple(
            ToolCall(
                name=call.name,
                arguments={
                    name: values[(place, name)] if (place, name) in self.paths & values.keys() else value
                    for name, value in call.arguments.items()
                },
            )
            for place, call in enumerate(self.case.calls)
        )
        return text, calls

    @property
    def carrier(self) -> str:
        """The words around the slots, each slot as its argument's name in brackets."""
        text = self.case.request
        for (_, name), (start, end) in sorted(self.slots, key=lambda slot: slot[1], reverse=True):
            text = f"{text[:start]}[{name}]{text[end:]}"
        return text


def delexicalise(case: Case) -> Template:
    """The case with a slot for each value that its request holds; overlapping values stay fixed."""
    found: list[tuple[Path, Span]] = []
    for place, call in enumerate(case.calls):
        for name, value in call.arguments.items():
            found += [((place, name), span) for span in locate(value, case.request)]
    clashing = {
        path
        for path, span in found
        for other, other_span in found
        if path != other and span[0] < other_span[1] and other_span[0] < span[1]
    }
    slots = sorted((slot for slot in found if slot[0] not in clashing), key=lambda slot: slot[1])
    return Template(case, tuple(slots))


def contains(span: Span, spans: Sequence[Span]) -> bool:
    """Whether a span lies inside one of others."""
    return any(start <= span[0] and span[1] <= end for start, end in spans)


def _like(old: str, value: Any) -> str:
    """The value's surface in the manner of what it replaces: digits or words, capitals or none."""
    forms = surfaces(value)
    if not forms:
        return str(value)
    if not isinstance(value, str):
        return forms[0] if old[:1].isdigit() else forms[-1]
    return forms[0] if len(forms) == 1 or "_" in old else forms[-1]


def _article(before: str, surface: str) -> str:
    """`a` or `an` in front of a new value, where the old one had either."""
    match = re.search(r"(?:^|\s)(an?)(\s+)$", before)
    if not match or not surface[:1].isalpha():
        return before
    article = "an" if surface[0].casefold() in "aeio" else "a"
    return before[: match.start(1)] + article + match.group(2)

"""Personal data out of a trace: each value becomes a typed placeholder such as `<EMAIL_1>`.

One value has one placeholder throughout a trace, in requests, history, tool results and inside
the arguments of calls, also where its spelling differs in case or spacing: so an argument stays
a quotation of the request, and exact match survives. What is found is what has a form of its own
(e-mail, phone, IBAN, card and IP numbers, API keys). Names of people have none and are not
promised.

Digits are a telephone number by evidence of the whole trace: a country's code or a word for a
telephone says so; an argument or a word that names something else speaks against it, and counts
for more than that somebody is called, or than the way digits are grouped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from distil_dag.core.placeholders import KINDS, PLACEHOLDER
from distil_dag.core.scripts import is_whole
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.redaction import addresses, bank_numbers, phone_numbers
from distil_dag.stages.reading.redaction.arguments import numbers_in
from distil_dag.stages.reading.redaction.first_look import is_worth_a_look
from distil_dag.stages.reading.redaction.phone_numbers import GAP, digits_of, plausible_phone
from distil_dag.stages.reading.redaction.vocabulary import Evidence
from distil_dag.stages.reading.strict_values import Unreadable

_NUMBERS = ("PHONE", "CARD")
Replacing = Callable[[re.Match[str]], str]
_ENDS_HEAD = re.compile(r"[@._-]")
_BETWEEN = "\0"  # a sign that no pattern reaches across
_SHORT = 200
# Every text is searched for every value's other spellings: work that grows with both.
MAX_VALUES = 300
# Country codes and what is dialled before them.
_LONGEST_PREFIX = 5

NOTHING_FOUND: Mapping[str, int] = MappingProxyType({})
"""What is found in most traces."""
_LONG_NUMBER = re.compile(r"\d(?:[\s().\u2010-\u2013/-]{0,3}\d){6}")


class Redactor:
    """The placeholders of one trace, numbered in the order in which its values appear."""

    def __init__(
        self, values: Iterable[Any], calls: Iterable[ToolCall] = (), toolset: Toolset | None = None
    ) -> None:
        """Look through all texts, JSON values and calls of a trace.

        Args:
            values: the texts and JSON values.
            calls: its calls, whose arguments' names are evidence.
            toolset: the tools that are called, whose schemas are evidence.

        Raises:
            Unreadable: where they hold more than `MAX_VALUES` values.
        """
        kept, called = list(values), list(calls)
        kept += ({call.name: call.arguments} for call in called)
        texts: list[str] = []
        _add_texts(kept, texts)
        self._clean = not any(map(is_worth_a_look, _in_few(texts)))
        if self._clean:
            return
        self._names: dict[tuple[str, str], str] = {}
        self._last: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._spellings: list[_Spelling] = []
        self._phones: set[str] = set()
        self._no_phones: set[str] = set()
        self._no_cards: set[str] = set()
        all_texts = _BETWEEN.join(texts)
        # Placeholders that the log already holds are not given out again.
        for kind, number in PLACEHOLDER.findall(all_texts):
            self._last[kind] = max(self._last[kind], int(number))
        if _LONG_NUMBER.search(all_texts):
            self._weigh(all_texts, kept, called, toolset)
        self.value(kept)
        self._spellings = [_Spelling(*value, name) for value, name in self._names.items()]
        self._clean = not self._names

    @property
    def is_idle(self) -> bool:
        """True when there is nothing to replace."""
        return self._clean

    @property
    def found(self) -> Mapping[str, int]:
        """Kind of personal data -> distinct values of it."""
        return NOTHING_FOUND if self._clean else Counter(kind for kind, _ in self._names)

    def text(self, text: str) -> str:
        """The text, one of those looked through or a part of one, with its personal data replaced."""
        if self._clean:
            return text
        if is_worth_a_look(text):
            text = addresses.API_KEY.sub(self._checked("API_KEY", addresses.api_key), text)
            text = addresses.EMAIL.sub(self._checked("EMAIL", addresses.email), text)
            text = self._ibans(text)
            text = addresses.IP.sub(self._checked("IP", addresses.ip_address), text)
            text = bank_numbers.CARD.sub(self._checked("CARD", self._card), text)
            for shape in phone_numbers.SHAPES:
                text = shape.sub(self._checked("PHONE", self._phone), text)
        for spelling in self._spellings:
            text = spelling.replaced(text)
        return text

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it replaced."""
        if self._clean:
            return value
        if isinstance(value, str):
            return self._number(value) or self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return self._number(str(value)) or value
        return value

    def call(self, call: ToolCall) -> ToolCall:
        """A call with its personal data replaced."""
        return ToolCall(name=self.text(call.name), arguments=self.value(call.arguments))

    def _weigh(
        self, texts: str, values: Iterable[Any], calls: Iterable[ToolCall], toolset: Toolset | None
    ) -> None:
        """Which digits are a telephone number for certain, and which are said to be something else."""
        found = list(phone_numbers.claims(texts))
        for match in bank_numbers.CARD.finditer(texts):
            if bank_numbers.is_named_otherwise(match):
                self._no_cards.add(match[0])
        arguments = [leaf for value in values for leaf in numbers_in(value, {})]
        for call in calls:
            known = toolset[call.name].properties if toolset and call.name in toolset else {}
            arguments += numbers_in(call.arguments, {"properties": known})
        for held in arguments:
            if digits := plausible_phone(held.text):
                found.append((digits, held.phone))
            if not held.may_be_card:
                self._no_cards.add(digits_of(held.text))
        self._phones = {digits for digits, said in found if said is Evidence.CERTAIN}
        self._no_phones = {digits for digits, said in found if said is Evidence.AGAINST}

    def _name(self, kind: str, canonical: str) -> str:
        if kind == "PHONE":
            canonical = self._same_phone(canonical)
        found = self._names.get((kind, canonical))
        if found is None:
            if len(self._names) == MAX_VALUES:
                raise Unreadable("too much personal data", f"more than {MAX_VALUES} values in one record")
            self._last[kind] += 1
            found = self._names[kind, canonical] = f"<{kind}_{self._last[kind]}>"
        return found

    def _checked(self, kind: str, canonical: Callable[[re.Match[str]], str | None]) -> Replacing:
        def replace(match: re.Match[str]) -> str:
            value = canonical(match)
            return match[0] if value is None else self._name(kind, value)

        return replace

    def _phone(self, match: re.Match[str]) -> str | None:
        digits, said = phone_numbers.claim(match) or ("", Evidence.NONE)
        if digits in self._phones:
            return digits
        return digits if said > Evidence.NONE and digits not in self._no_phones else None

    def _card(self, match: re.Match[str]) -> str | None:
        digits = bank_numbers.card(match)
        return None if digits in self._no_cards else digits

    def _ibans(self, text: str) -> str:
        done, parts = 0, []
        for start, end, number in bank_numbers.ibans(text):
            parts += [text[done:start], self._name("IBAN", number)]
            done = end
        return "".join(parts) + text[done:]

    def _same_phone(self, digits: str) -> str:
        """One number with and without its country code is one value."""
        for kind, known in self._names:
            if kind == "PHONE" and self._is_end(digits, known):
                return known
        return digits

    def _number(self, text: str) -> str | None:
        """The placeholder of a text that is a phone or card number, here or elsewhere in the trace."""
        if not 7 <= len(text) <= 40 or not phone_numbers.NUMBER.fullmatch(text):
            return None
        if (digits := plausible_phone(text)) and digits in self._phones:
            return self._name("PHONE", digits)
        digits = digits_of(text).lstrip("0")
        for (kind, known), name in self._names.items():
            if kind in _NUMBERS and (digits == known or self._is_end(digits, known)):
                return name
        return None

    def _is_end(self, digits: str, known: str) -> bool:
        """Whether one of two numbers is the other without its country code."""
        shorter, longer = sorted((digits, known), key=len)
        near = len(shorter) >= 8 and len(longer) - len(shorter) <= _LONGEST_PREFIX
        return near and digits not in self._no_phones and longer.endswith(shorter)


def redact_text(text: str) -> str:
    """A single text, by itself, with its personal data replaced."""
    return Redactor([text]).text(text)


def _add_texts(value: Any, found: list[str]) -> None:
    """Add every text and whole number inside a JSON value, names of arguments included."""
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            found.append(key)
            _add_texts(item, found)
    elif isinstance(value, list):
        for item in value:
            _add_texts(item, found)
    elif isinstance(value, int):
        found.append(str(value))


def _in_few(texts: list[str]) -> list[str]:
    """The texts with the short ones joined, as one look at all of them is quicker."""
    return [
        _BETWEEN.join(text for text in texts if len(text) < _SHORT),
        *(t for t in texts if len(t) >= _SHORT),
    ]


class _Spelling:
    """The other spellings of a value that has been found somewhere in the trace."""

    def __init__(self, kind: str, canonical: str, name: str) -> None:
        self._kind, self._canonical = kind, canonical
        self._name = name if kind in _NUMBERS else _where_whole(name)
        # How each spelling of an address begins.
        self._head = _ENDS_HEAD.split(canonical)[0] if kind == "EMAIL" and canonical.isascii() else ""

    def replaced(self, text: str) -> str:
        """The text with the placeholder in place of each spelling."""
        if self._head and text.isascii() and self._head not in text.lower():
            return text
        return self._pattern.sub(self._name, text)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(_spelled(self._kind, self._canonical))


def _spelled(kind: str, canonical: str) -> str:
    """A pattern for the other spellings of a value that has been found somewhere in the trace."""
    if kind == "EMAIL":
        signs = {"@": r"\s*(?:@|\uff20|\bat\b)\s*", ".": r"(?:\.|\s+dot\s+)", "_": r"(?:_|\s+underscore\s+)",
                 "-": r"(?:-|\s+(?:dash|hyphen)\s+)"}  # fmt: skip
        return "(?i)" + "".join(signs.get(sign, re.escape(sign)) for sign in canonical)
    if kind in _NUMBERS:
        between = rf"(?:{GAP}|\(0\))*" if kind == "PHONE" else rf"{GAP}*"
        return rf"(?<!\d)(?:\+|00|0)?\(?{between.join(canonical)}(?!\d)"
    if kind == "IBAN":
        return "(?i)" + r"[\s-]*".join(canonical)
    return re.escape(canonical)


def _where_whole(name: str) -> Replacing:
    """Puts the placeholder where a spelling is no part of a longer word."""
    return lambda match: name if is_whole(match.string, *match.span()) else match[0]

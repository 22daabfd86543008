"""Personal data out of a trace: each value becomes a typed placeholder such as `<EMAIL_1>`.

One value has one placeholder throughout a trace, in requests, history, tool results and inside
the arguments of calls, also where its spelling differs in case or spacing: so an argument stays
a quotation of the request, and exact match survives. What is found is what has a form of its own
(e-mail, phone, IBAN, card and IP numbers, API keys). Names of people have none and are not
promised.
"""

from __future__ import annotations

import ipaddress
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from stdnum import iban, luhn, numdb

from distil_dag.core.placeholders import KINDS, PLACEHOLDER
from distil_dag.core.scripts import DENSE, SPACED, is_dense, is_whole
from distil_dag.stages.reading.strict_values import Unreadable

_NUMBERS = ("PHONE", "CARD")
Replacing = Callable[[re.Match[str]], str]
# Every text is searched for every value's other spellings: work that grows with both.
MAX_VALUES = 300

# What every pattern below needs somewhere; most texts have none of it and are done at once.
_WORTH_A_LOOK = re.compile(
    r"[@\uff20]|\d(?:[\s().\u2010-\u2013/-]{0,3}\d){6}|\d\.\d{1,3}\.\d{1,3}\.\d"
    r"|[0-9a-fA-F]:[0-9a-fA-F]{0,4}:|[A-Za-z]{2}\d{2}"
    r"|(?a:\b)(?:[spr]k[_-]|gh[pousr]_|github_|glpat-|A[KS]IA|xox|AIza|hf_|eyJ|(?i:bearer))|BEGIN "
)
_GAP = r"[\s().\u2010-\u2013/-]"
# Where a value begins and ends in a text: letters of scripts without spaces may touch it.
_FREE, _DONE = rf"(?<!{SPACED})", rf"(?!{SPACED})"

# Prefixes that the issuers document for their own secret scanning.
_API_KEY = re.compile(
    r"\b(?:sk|pk|rk)[-_](?=[A-Za-z_-]{0,40}\d)[A-Za-z0-9_-]{16,200}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,255}|\bgithub_pat_\w{20,255}|\bglpat-[\w-]{20,64}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bxox[abeprs]-[A-Za-z0-9-]{10,250}|\bAIza[\w-]{35}"
    r"|\bhf_[A-Za-z0-9]{20,64}|\beyJ[\w-]{10,4000}\.[\w-]{10,8000}\.[\w-]{10,1000}"
    r"|(?i:(?<=\bbearer )[\w.~+/=-]{20,4000})"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\s\S]{0,4000}?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)",
    re.ASCII,
)
_EMAIL = re.compile(
    rf"(?:{SPACED}(?:{SPACED}|[.%&'+-]){{0,63}}|[{DENSE}]{{1,64}})[@\uff20](?:[\w-]{{1,63}}\.){{1,8}}"
    rf"(?:xn--(?a:[\w-]{{2,59}})|[^\W\d_{DENSE}]{{2,24}}|[{DENSE}]{{2,24}})"
)
_IBAN = re.compile(rf"(?<![^\W_{DENSE}])[A-Za-z]{{2}}[0-9]{{2}}(?=[ \u00a0-]{{0,3}}[A-Za-z0-9])")
# The SWIFT registry: what follows the check digits in each country, such as 8!n10!n.
_IBAN_FORMS = numdb.get("iban")
_IP = re.compile(
    rf"{_FREE}(?<!\.)(?:\d{{1,3}}\.){{3}}\d{{1,3}}{_DONE}(?!\.\d)"
    rf"|{_FREE}(?<![:.])(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}"
    rf"(?:[0-9A-Fa-f]{{1,4}}|(?:\d{{1,3}}\.){{3}}\d{{1,3}})?{_DONE}(?!:)"
)
# In the groups that cards print them in, so that a number behind a card is not taken for its end.
_CARD = re.compile(
    _FREE + r"(?<![.+-])(?:4\d{18}|[2-6]\d{3}(?:[ -]?\d{4}){3}|3[47]\d\d[ -]?\d{6}[ -]?\d{5}"
    r"|3\d{3}[ -]?\d{6}[ -]?\d{4}|4\d{12})" + _DONE
)
# Ranges of Visa, Mastercard, American Express, Diners, Discover and JCB, with their lengths.
_CARD_BRAND = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35\d{14}"
)
_PHONE_SHAPES = (
    # international: +44 20 7946 0958, 0049 (0)89 1234567
    re.compile(rf"{_FREE}(?<!\+)(?:\+\s?|00(?=[1-9]))(?:\d{{8,15}}|\(?\d(?:{_GAP}{{0,3}}\d){{6,14}}){_DONE}"),
    # North American: (555) 123-4567, 555.123.4567
    re.compile(_FREE + r"(?<!\.)(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}" + _DONE),
    # national, with a trunk zero: 020 7946 0958, 0176-12345678
    re.compile(_FREE + r"(?<![.,:/+-])\(?0[1-9]\d{0,9}\)?(?:[ /-]\d{2,8}){0,4}" + _DONE),
)
_PHONE_SAID = re.compile(
    rf"{_FREE}(?i:call|dial|ring|phone|text|sms|message|whatsapp|tel|telephone|mobile|cell|fax|number){_DONE}"
    rf"[^\d\n]{{0,24}}?(\(?\d(?:{_GAP}{{0,2}}\d){{6,14}}){_DONE}"
)
_PHONE_NAME = re.compile(
    r"(?i)(?:^|[_\W]|(?<=[a-z]))(?:phone|mobile|telephone|msisdn|whatsapp|fax)(?:[_ ]?(?:number|num|no|nr))?$"
)
_DATE = re.compile(
    r"(?<!\d)(?:\d{1,2}[ ./-]+\d{1,2}[ ./-]+(?:19|20)\d\d|(?:19|20)\d\d[ ./-]+\d{1,2}[ ./-]+\d{1,2})(?!\d)"
)
_DIGITS = re.compile(r"\d+")
_EXCERPT, _EXCERPT_SOURCE = 200, 1500
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NUMBER = re.compile(rf"\+?(?:{_GAP}|\d)+")
# The zero that is dialled instead of a country code, never behind it: +49 (0)89 is +49 89.
_TRUNK_ZERO = re.compile(rf"(?<=\d){_GAP}*\(0\)")


class Redactor:
    """The placeholders of one trace, numbered in the order in which its values appear."""

    def __init__(self, values: Iterable[Any]) -> None:
        """Look through all texts and JSON values of a trace.

        Raises Unreadable where they hold more than `MAX_VALUES` values.
        """
        self._names: dict[tuple[str, str], str] = {}
        self._last: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._spellings: list[tuple[re.Pattern[str], str | Replacing]] = []
        kept = list(values)
        texts = "\0".join(_texts(kept))  # a sign that no pattern reaches across
        self._clean = not _WORTH_A_LOOK.search(texts)
        if self._clean:
            return
        # Placeholders that the log already holds are not given out again.
        for kind, number in PLACEHOLDER.findall(texts):
            self._last[kind] = max(self._last[kind], int(number))
        self.value(kept)
        self._spellings = [
            (re.compile(_spelled(kind, canonical)), name if kind in _NUMBERS else _where_whole(name))
            for (kind, canonical), name in self._names.items()
        ]
        self._clean = not self._names

    @property
    def is_idle(self) -> bool:
        """True when there is nothing to replace."""
        return self._clean

    @property
    def found(self) -> Counter[str]:
        """Kind of personal data -> distinct values of it."""
        return Counter() if self._clean else Counter(kind for kind, _ in self._names)

    def text(self, text: str) -> str:
        """The text, one of those looked through or a part of one, with its personal data replaced."""
        if self._clean:
            return text
        if _WORTH_A_LOOK.search(text):
            text = _API_KEY.sub(lambda m: self._name("API_KEY", m[0]), text)
            text = _EMAIL.sub(lambda m: self._name("EMAIL", _fold(m[0])), text)
            text = self._ibans(text)
            text = _IP.sub(self._checked("IP", _ip), text)
            text = _CARD.sub(self._checked("CARD", _card), text)
            for shape in _PHONE_SHAPES:
                text = shape.sub(self._checked("PHONE", _phone), text)
            text = _PHONE_SAID.sub(self._said_phone, text)
        for spelling, name in self._spellings:
            text = spelling.sub(name, text)
        return text

    def value(self, value: Any, name: str = "") -> Any:
        """A JSON value with every text in it replaced; `name` is the argument that holds it."""
        if self._clean:
            return value
        if isinstance(value, str):
            if _PHONE_NAME.search(name) and (digits := _plausible_phone(value)):
                return self._name("PHONE", digits)
            return self._known_number(value) or self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, name) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            if _PHONE_NAME.search(name) and (digits := _plausible_phone(str(value))):
                return self._name("PHONE", digits)
            return self._known_number(str(value)) or value
        return value

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

    def _checked(self, kind: str, canonical: Callable[[str], str | None]) -> Replacing:
        def replace(match: re.Match[str]) -> str:
            value = canonical(match[0])
            return match[0] if value is None else self._name(kind, value)

        return replace

    def _said_phone(self, match: re.Match[str]) -> str:
        digits = _plausible_phone(match[1])
        return match[0].removesuffix(match[1]) + self._name("PHONE", digits) if digits else match[0]

    def _ibans(self, text: str) -> str:
        done, parts = 0, []
        for match in _IBAN.finditer(text):
            start = match.start()
            if start >= done and (end := _iban_end(text, start)):
                parts += [text[done:start], self._name("IBAN", iban.compact(text[start:end]))]
                done = end
        return "".join(parts) + text[done:]

    def _same_phone(self, digits: str) -> str:
        """One number with and without its country code is one value."""
        for kind, known in self._names:
            shorter, longer = sorted((known, digits), key=len)
            if kind == "PHONE" and len(shorter) >= 8 and longer.endswith(shorter):
                return known
        return digits

    def _known_number(self, text: str) -> str | None:
        """The placeholder of a text that is a phone or card number found elsewhere in the trace."""
        if not self._names or not 7 <= len(text) <= 30 or not _NUMBER.fullmatch(text):
            return None
        digits = _digits(text).lstrip("0")
        for (kind, known), name in self._names.items():
            same = digits == known or (
                len(digits) >= 8 and (known.endswith(digits) or digits.endswith(known))
            )
            if kind in _NUMBERS and same:
                return name
        return None


def is_personal(text: str) -> bool:
    """True for a text that holds an address or a key, whatever else it is."""
    return bool(_EMAIL.search(text) or _API_KEY.search(text))


def redact_text(text: str) -> str:
    """A single text, by itself, with its personal data replaced."""
    return Redactor([text]).text(text)


def excerpt(raw: Any) -> str:
    """What a quarantined record began with: a few words, redacted, fit for a table."""
    if isinstance(raw, (bytes, bytearray)):
        raw = bytes(raw[:_EXCERPT_SOURCE]).decode(errors="replace")
    if not isinstance(raw, str):
        try:
            raw = json.dumps(raw, ensure_ascii=False, default=str)
        except (ValueError, TypeError, RecursionError):
            raw = f"<{type(raw).__name__}>"
    # Escapes would hide an address; the text is redacted before it is cut, so that no half of one stays.
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), raw[:_EXCERPT_SOURCE])
    text = redact_text(_UNPRINTABLE.sub("\ufffd", text))
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"


def _texts(value: Any) -> Iterator[str]:
    """Every text and whole number inside a JSON value, names of arguments included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, int):
        yield str(value)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _digits(text: str) -> str:
    return "".join(str(int(sign)) for sign in _TRUNK_ZERO.sub("", text) if sign.isdecimal())


def _ip(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # `10::30` is more likely a time, and `::` punctuation.
    plain = address.version == 4 or text.count(":") >= 4 or re.search("[A-Fa-f]", text)
    return str(address) if plain else None


def _iban_end(text: str, start: int) -> int:
    """Where the number that begins at `start` ends; 0 if there is none."""
    form = _IBAN_FORMS.info(text[start : start + 2].upper())[0][1].get("bban")
    if form is None:
        return 0
    length = 4 + sum(map(int, _DIGITS.findall(form)))
    found = re.compile(rf"(?:[A-Za-z0-9][ \u00a0-]{{0,3}}){{{length - 1}}}[A-Za-z0-9]").match(text, start)
    if not found:
        return 0
    end = found.end()
    whole = end == len(text) or not text[end].isalnum() or is_dense(text[end])
    # National check digits are left out: a number with a slip in them is still somebody's.
    return end if whole and iban.is_valid(found[0], check_country=False) else 0


def _card(text: str) -> str | None:
    digits = _digits(text)
    return digits if _CARD_BRAND.fullmatch(digits) and luhn.is_valid(digits) else None


def _phone(text: str) -> str | None:
    """The digits of what has a phone number's shape, unless it is a date or a row of small numbers."""
    digits, groups = _digits(text), [len(group) for group in _DIGITS.findall(text)]
    if not text.lstrip("(").startswith("0") or text.startswith("00"):
        return digits.lstrip("0") if 7 <= len(digits) <= 17 else None
    fits = 9 <= len(digits) <= 12 and max(groups[1:] or groups) >= 3 and not _DATE.search(text)
    return digits.lstrip("0") if fits else None


def _plausible_phone(text: str) -> str | None:
    """The digits of a number that is called a phone number, if it can be one."""
    digits, groups = _digits(text), [len(group) for group in _DIGITS.findall(text)]
    if not _NUMBER.fullmatch(text) or not 7 <= len(digits) <= 15 or _DATE.search(text):
        return None
    return None if max(groups) <= 2 and not digits.startswith("0") else digits.lstrip("0") or None


def _spelled(kind: str, canonical: str) -> str:
    """A pattern for the other spellings of a value that has been found somewhere in the trace."""
    if kind == "EMAIL":
        signs = {"@": r"\s*(?:@|\uff20|\bat\b)\s*", ".": r"(?:\.|\s+dot\s+)", "_": r"(?:_|\s+underscore\s+)",
                 "-": r"(?:-|\s+(?:dash|hyphen)\s+)"}  # fmt: skip
        return "(?i)" + "".join(signs.get(sign, re.escape(sign)) for sign in canonical)
    if kind in _NUMBERS:
        between = rf"(?:{_GAP}|\(0\))*" if kind == "PHONE" else rf"{_GAP}*"
        return rf"(?<!\d)(?:\+|00|0)?\(?{between.join(canonical)}(?!\d)"
    if kind == "IBAN":
        return "(?i)" + r"[\s-]*".join(canonical)
    return re.escape(canonical)


def _where_whole(name: str) -> Replacing:
    """Puts the placeholder where a spelling is no part of a longer word."""
    return lambda match: name if is_whole(match.string, *match.span()) else match[0]

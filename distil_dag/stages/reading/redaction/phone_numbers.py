"""Telephone numbers: what is written as one, and what can be one where words or arguments say so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from distil_dag.stages.reading.redaction.addresses import DONE, FREE
from distil_dag.stages.reading.redaction.vocabulary import Evidence
from distil_dag.stages.reading.redaction.words_around import said_of

GAP = r"[\s().\u2010-\u2013/-]"
_SHAPES = (
    # international: +44 20 7946 0958, 0049 (0)89 1234567
    re.compile(rf"{FREE}(?<!\+)(?:\+\s?|00(?=[1-9]))(?:\d{{8,15}}|\(?\d(?:{GAP}{{0,3}}\d){{6,14}}){DONE}"),
    # North American: (555) 123-4567, 555.123.4567
    re.compile(FREE + r"(?<!\.)(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}" + DONE),
    # national, with a trunk zero: 020 7946 0958, 0176-12345678
    re.compile(FREE + r"(?<![.,:/+-])\(?0[1-9]\d{0,9}\)?(?:[ /-]\d{2,8}){0,4}" + DONE),
)
# Any other digits: a telephone number only where something says so.
_ANY = re.compile(rf"{FREE}\(?\d(?:{GAP}{{0,2}}\d){{6,14}}{DONE}")
SHAPES = (*_SHAPES, _ANY)
"""Each in its turn: what one has replaced, the next does not see."""
_DATE = re.compile(
    r"(?<!\d)(?:\d{1,2}[ ./-]+\d{1,2}[ ./-]+(?:19|20)\d\d|(?:19|20)\d\d[ ./-]+\d{1,2}[ ./-]+\d{1,2})(?!\d)"
)
# Two years, a day or a second without gaps, seconds or milliseconds since 1970, a fraction.
_NO_PHONE = re.compile(
    r"(?:19|20)\d\d\s?[ /\u2010-\u2013-]\s?(?:19|20)\d\d"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])?(?:[0-5]\d){0,2}"
    r"|1[5-8]\d{8}|1\d{11,}|\d{1,3}\.\d{4,}(?:[\s.]\d*)*"
    # A row of small numbers.
    r"|\(?[1-9]\d?(?:\D+\d\d?)*"
)
_DIGITS = re.compile(r"\d+")
NUMBER = re.compile(rf"\+?(?:{GAP}|\d)+")
"""Digits with gaps between them."""
# The zero that is dialled instead of a country code, never behind it: +49 (0)89 is +49 89.
_TRUNK_ZERO = re.compile(rf"(?<=\d){GAP}*\(0\)")


def digits_of(text: str) -> str:
    """All digits of a number, in ASCII."""
    return "".join(str(int(sign)) for sign in _TRUNK_ZERO.sub("", text) if sign.isdecimal())


def claim(match: re.Match[str]) -> tuple[str, Evidence] | None:
    """The digits of what one of the shapes found, and what speaks for them.

    Args:
        match: a match of :data:`SHAPES`.

    Returns:
        None for what can be no telephone number, such as a date.
    """
    shaped = match.re is not _ANY
    digits = _written_as_phone(match[0]) if shaped else plausible_phone(match[0])
    if digits is None:
        return None
    if match[0].startswith("+"):
        return digits, Evidence.CERTAIN
    said = said_of(match.string, *match.span())
    if said is Evidence.AGAINST:
        return digits, said
    if not shaped and said < Evidence.CERTAIN and _NO_PHONE.fullmatch(match[0]):
        return digits, Evidence.NONE
    return digits, max(said, Evidence.FORM if shaped else Evidence.NONE)


def claims(text: str) -> Iterator[tuple[str, Evidence]]:
    """Whatever in a text has digits enough, with what speaks for or against it."""
    for shape in SHAPES:
        for match in shape.finditer(text):
            if found := claim(match):
                yield found


def plausible_phone(text: str) -> str | None:
    """The digits of a number that is called a phone number, if it can be one."""
    if not NUMBER.fullmatch(text):
        return None
    digits = digits_of(text)
    if not 7 <= len(digits) <= 15 or _DATE.search(text):
        return None
    return digits.lstrip("0") or None


def _written_as_phone(text: str) -> str | None:
    """The digits of what has a phone number's shape, unless it is a date or a row of small numbers."""
    digits, groups = digits_of(text), [len(group) for group in _DIGITS.findall(text)]
    if not text.lstrip("(").startswith("0") or text.startswith("00"):
        return digits.lstrip("0") if 7 <= len(digits) <= 17 else None
    fits = 9 <= len(digits) <= 12 and max(groups[1:] or groups) >= 3 and not _DATE.search(text)
    return digits.lstrip("0") if fits else None

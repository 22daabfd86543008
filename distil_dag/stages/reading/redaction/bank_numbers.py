"""Numbers of cards and bank accounts, told by their check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import iban, luhn, numdb

from distil_dag.core.scripts import DENSE, is_dense
from distil_dag.stages.reading.redaction.addresses import DONE, FREE

_IBAN = re.compile(rf"(?<![^\W_{DENSE}])[A-Za-z]{{2}}[0-9]{{2}}(?=[ \u00a0-]{{0,3}}[A-Za-z0-9])")
# The SWIFT registry: what follows the check digits in each country, such as 8!n10!n.
_IBAN_FORMS = numdb.get("iban")
_DIGITS = re.compile(r"\d+")
# In the groups that cards print them in, so that a number behind a card is not taken for its end.
CARD = re.compile(
    FREE + r"(?<![.+-])(?:4\d{18}|[2-6]\d{3}(?:[ -]?\d{4}){3}|3[47]\d\d[ -]?\d{6}[ -]?\d{5}"
    r"|3\d{3}[ -]?\d{6}[ -]?\d{4}|4\d{12})" + DONE
)
# Ranges of Visa, Mastercard, American Express, Diners, Discover and JCB, with their lengths.
_CARD_BRAND = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35\d{14}"
)
# One in ten long numbers has a right check digit by chance.
_NAMED = re.compile(
    r"(?i)\b(?:order|parcel|package|shipment|tracking|invoice|ticket|message|booking|case|reference)"
    r"[\s_-]{0,2}(?:(?:number|num|no|nr|id|code)\b[.:]?)?[\s:#\"'(]{0,4}(?:(?:is|was)\s)?$"
)


def ibans(text: str) -> Iterator[tuple[int, int, str]]:
    """Where each number begins and ends, and the number without its gaps."""
    done = 0
    for match in _IBAN.finditer(text):
        start = match.start()
        if start >= done and (end := _iban_end(text, start)):
            yield start, end, iban.compact(text[start:end])
            done = end


def card(match: re.Match[str]) -> str | None:
    """The digits of a card; None for what a check digit or a card's brand is missing of."""
    digits = "".join(str(int(sign)) for sign in match[0] if sign.isdecimal())
    return digits if _CARD_BRAND.fullmatch(digits) and luhn.is_valid(digits) else None


def is_named_otherwise(match: re.Match[str]) -> bool:
    """Whether the words before a number without gaps call it an order's, a parcel's or the like."""
    before = match.string[max(0, match.start() - 40) : match.start()]
    return match[0].isdecimal() and _NAMED.search(before) is not None


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

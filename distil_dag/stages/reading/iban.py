"""International bank account numbers: where one stands in a text.

Lengths by country: the SWIFT IBAN registry. Check digits: ISO 7064, MOD 97-10.
"""

from __future__ import annotations

from distil_dag.core.scripts import is_dense

_LENGTHS = {
    15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
    21: "CH CR HR LI LV", 22: "BG BH DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
    24: "AD CZ DZ ES MD PK RO SA SE SK TN VG", 25: "AO CV GW LY MZ PT ST", 26: "IS TR",
    27: "BF BI CM DJ FR GR IT MC MG MR SM", 28: "AL AZ BJ BY CI CY DO GT HN HU LB ML NI PL SN SV TG",
    29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
_LENGTH = {country: length for length, names in _LENGTHS.items() for country in names.split()}


def iban_at(text: str, start: int) -> tuple[str, int] | None:
    """The number that begins at `start` (upper case, no spaces) and where it ends; None if there is none."""
    length = _LENGTH.get(text[start : start + 2].upper(), 0)
    signs: list[str] = []
    place = start
    while place < len(text) and len(signs) < length:
        sign = text[place]
        if sign.isascii() and sign.isalnum():
            signs.append(sign.upper())
        elif sign not in " -\u00a0":
            break
        place += 1
    value = "".join(signs)
    ends = place == len(text) or not text[place].isalnum() or is_dense(text[place])
    if not length or len(value) < length or not ends:
        return None
    number = int("".join(str(int(sign, 36)) for sign in value[4:] + value[:4]))
    return (value, place) if number % 97 == 1 else None

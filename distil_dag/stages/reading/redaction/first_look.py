"""Whether a text may hold personal data at all: a look that costs little, as most texts hold none.

It may say yes too often, never no too often. Each pattern begins with one sign or with few: to search for
these is several times faster than to try alternatives at every letter.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Texts of this length are mostly prompts, which come again and again.
_PROMPT, _LONG = 200, 20_000
_GAP = r"[\s().\u2010-\u2013/-]{0,3}"
_DIGITS = (
    rf"DIGIT(?:(?:{_GAP}DIGIT){{6}}|\.DIGIT{{1,3}}\.DIGIT{{1,3}}\.DIGIT"
    r"|DIGIT(?<=[A-Za-z]{2}DIGITDIGIT))"
)
_ANY_DIGITS = re.compile(_DIGITS.replace("DIGIT", r"\d"))
_ASCII_DIGITS = re.compile(_DIGITS.replace("DIGIT", "[0-9]"))
_COLONS = re.compile(r":(?<=[0-9a-fA-F]:)[0-9a-fA-F]{0,4}:")
_KEY = re.compile(
    r"_(?:(?<=\b[spr]k_)|(?<=\bgh[pousr]_)|(?<=\bgithub_)|(?<=\bhf_)|(?<=\bnpm_)|(?<=\bdop_))", re.ASCII
)
_DASHED_KEY = re.compile(r"-(?:(?<=\b[spr]k-)|(?<=\bglpat-))", re.ASCII)
_CLOUD_KEY = re.compile(r"A(?:[KS]IA|Iza)")


def is_worth_a_look(text: str) -> bool:
    """Whether a text holds what any pattern of personal data needs somewhere."""
    return _look_once(text) if _PROMPT < len(text) < _LONG else _look(text)


def _look(text: str) -> bool:
    digits = _ASCII_DIGITS if text.isascii() else _ANY_DIGITS
    # Written out, since it is done for every text of a log.
    return bool(
        "@" in text
        or "\uff20" in text
        or digits.search(text)
        or (":" in text and _COLONS.search(text))
        or _KEY.search(text)
        or ("-" in text and _DASHED_KEY.search(text))
        or ("A" in text and _CLOUD_KEY.search(text))
        or "xox" in text
        or "SG." in text
        or "eyJ" in text
        or "BEGIN " in text
        or "bearer" in text.lower()
    )


_look_once = lru_cache(maxsize=256)(_look)

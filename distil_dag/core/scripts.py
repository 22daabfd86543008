r"""What is part of a word, in any script: pieces of regular expressions, and whether a word is cut.

Python's `\w` takes a Chinese sentence for one word, as it has no spaces. It also lacks the signs that stand
on letters: the vowels of Hindi, Tamil and Thai, the accents of decomposed Latin.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Without their digits: a number is one word in any script.
DENSE = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf"  # Thai, Lao
    "\u1000-\u103f\u1050-\u108f\u109a-\u109d\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17d3\u17d7\u17dc\u17dd"  # Khmer
    "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"  # Kana
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"  # Han: signs of repetition, numerals
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
"""Inside brackets: letters of scripts that put no spaces between words, and the marks on them."""


def _ranges(signs: Iterable[int]) -> str:
    known = frozenset(signs)
    lows = sorted(sign for sign in known if sign - 1 not in known)
    highs = sorted(sign for sign in known if sign + 1 not in known)
    return "".join(f"{chr(low)}-{chr(high)}" for low, high in zip(lows, highs, strict=True))


# No other planes have any; the last ones choose among shapes of a Han letter.
_PLANES = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
# U+200D joins the letters of a word in Sinhala and Bengali.
MARKS = "\u200d" + _ranges(sign for sign in _PLANES if unicodedata.category(chr(sign))[0] == "M")
"""Inside brackets: signs that belong to the letter before them (Unicode's category M)."""

SPACED = rf"[^\W{DENSE}]"
"""A letter, digit or underscore of any other script: words of these have spaces between them."""

SIGN = rf"[{DENSE}](?<![{MARKS}])[{MARKS}]*"
"""A letter of :data:`DENSE` with its marks: a word for want of a better one."""

# What is dense begins and ends anywhere, but never inside a letter and its marks.
BEGINS = rf"(?:(?=[{DENSE}])|(?<=[{DENSE}])|(?<!{SPACED})(?<![{MARKS}]))"
"""A place where no word of a script with spaces goes on from before."""
_ENDS = rf"(?![{MARKS}])(?:(?<=[{DENSE}])|(?!{SPACED}))"
_BEGINS_HERE, _ENDS_HERE, _SIGN_HERE = re.compile(BEGINS), re.compile(_ENDS), re.compile(SIGN)


def run(letter: str) -> str:
    """A pattern for one or more letters, each with its marks.

    Args:
        letter: the pattern of one letter.
    """
    return rf"{letter}+(?:[{MARKS}]+{letter}*)*"


def is_dense(word: str) -> bool:
    """Whether a word begins with a sign of a script without spaces."""
    return _SIGN_HERE.match(word) is not None


def is_whole(text: str, start: int, end: int) -> bool:
    """Whether a span of a text cuts no word.

    Args:
        text: the whole text.
        start: first character of the span.
        end: the character behind the span.

    Returns:
        True if no word goes on across either end. In scripts without spaces nobody can tell, so every letter
        may be an end there.
    """
    return _BEGINS_HERE.match(text, start) is not None and _ENDS_HERE.match(text, end) is not None

"""The words of a text, wherever it stands: plain, escaped in JSON, HTML or Markdown, or cut.

A word is the same in all of these, so a phrase is found again whatever was written around it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

from distil_dag.core.scripts import DENSE, SIGN

_ESCAPE = r"\\+u[0-9a-fA-F]{4}|&#?[0-9A-Za-z]{1,8};"
# A backslash before one of these letters is an escape, and the letter is none of the next word.
_WORD = re.compile(rf"\\+[nrtbf]|({SIGN}|(?:{_ESCAPE}|[^\W_{DENSE}])+)")
_PLAIN = re.compile(rf"{SIGN}|[^\W_{DENSE}]+")
_CODE = re.compile(r"\\+u([0-9a-fA-F]{4})")


class Word(NamedTuple):
    """A word, folded, and where it stands in the text."""

    text: str
    start: int
    end: int


def words(text: str) -> Iterator[Word]:
    """The words of a text in their order, with escapes read.

    Letters of scripts without spaces are words of their own. Case does not count.
    """
    for found in _WORD.finditer(text):
        word = found[1]
        if word is None:
            continue
        start, end = found.span()
        if "\\" in word or "&" in word:
            for inner in _PLAIN.findall(_read(word)):
                yield Word(inner.casefold(), start, end)
        else:
            yield Word(word.casefold(), start, end)


def _read(word: str) -> str:
    codes = _CODE.sub(lambda found: chr(int(found[1], 16)), word)
    whole = codes.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return html.unescape(whole)

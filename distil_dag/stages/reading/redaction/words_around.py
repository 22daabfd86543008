"""What the words around a number in a text say about it: the nearest word that decides, decides."""

from __future__ import annotations

import re

from distil_dag.stages.reading.redaction import vocabulary as words
from distil_dag.stages.reading.redaction.vocabulary import Evidence

_BEFORE, _AFTER, _FAR = 60, 40, 5
# A number with letters joined to it is part of a code: INV-2125550147, 01234567-8901-4abc.
_CODE_BEFORE = re.compile(r"([A-Za-z]+)\d*[A-Za-z\d]*[-_/]\(?$")
_CODE_AFTER = re.compile(r"[-_][\w-]*[A-Za-z]")
# `2125550147 is my number`.
_CALLED_AFTER = re.compile(
    r"(?i)[\s,]*(?:is|was)\s(?:my|his|her|their|our|your|the)\s(?:(?:new|old|work|home|office|private)\s)?"
    r"(?:(?:phone|mobile|cell|telephone|fax|number)\b)"
)
# The name of a field in JSON text.
_FIELD = re.compile(r"[\"']\s*:\s*[\"'\[]*$")
_ADDRESS = re.compile(r"<[A-Z_]+_\d+>|\S*@\S*")
_GOES_ON = re.compile(r"(?i)\s+(?:was|were|is|has|had|did|does|got|ended|failed|into|onto|as)\b")
_DENSE_WORD = re.compile(
    "(?P<phone>电话|電話|手机|手機|拨打|撥打|โทร)|(?P<other>订单|訂單|快递|包裹|发票|账号|帳號|单号|注文|伝票|口座)"
)
_ABBREVIATIONS = {"no", "nr", "num", "tel", "mob", "ref", "tél"}


def said_of(text: str, start: int, end: int) -> Evidence:
    """What is said of the number between `start` and `end`.

    Args:
        text: the whole text; nothing is read across a line's end.
        start: the number's first character.
        end: the character behind it.
    """
    before = re.split("[\n\0]", text[max(0, start - _BEFORE) : start])[-1]
    after = text[end : end + _AFTER]
    code = _CODE_BEFORE.search(before)
    if (code and not _is_call(code[1].casefold())) or _CODE_AFTER.match(after):
        return Evidence.AGAINST
    if _CALLED_AFTER.match(after):
        return Evidence.SAID
    if dense := list(_DENSE_WORD.finditer(before)):
        return Evidence.CERTAIN if dense[-1].lastgroup == "phone" else Evidence.AGAINST
    return _Reading(before, after).evidence()


def _is_call(word: str) -> bool:
    return words.is_phone(word) or word in words.CALLS or word in words.DIALS


class _Reading:
    """Words before a number, read from the nearest to the farthest."""

    def __init__(self, before: str, after: str) -> None:
        self._words = words.TOKEN.findall(words.spaced(_ADDRESS.sub(",", before)))
        self._after = after
        self._is_field = _FIELD.search(before) is not None
        self._passed = 0  # words that decide nothing
        self._numbered = self._reached = self._comma = False

    def evidence(self) -> Evidence:
        while self._words and self._passed <= _FAR:
            part = self._words.pop()
            if part in "?!;" or (part == "." and self._last() not in _ABBREVIATIONS):
                break
            if part == ".":
                continue
            if part == ",":
                # `orders 1, 2 and 3` goes on.
                self._comma = self._comma or not self._last().isdecimal()
                continue
            if part.isdecimal() or (part in ("and", "or") and self._last().isdecimal()):
                continue
            found = self._of(part.casefold())
            if found is not None:
                return found
        return Evidence.SAID if self._numbered else Evidence.NONE

    def _last(self) -> str:
        return self._words[-1].casefold() if self._words else ""

    def _of(self, word: str) -> Evidence | None:
        """What one word says; None where it decides nothing."""
        near = self._passed == 0
        if word in words.NUMBER or word == "#":
            self._numbered = True
            return self._before_number(word) if word in ("number", "num", "no", "#") else None
        if words.is_phone(word):
            named = (near or self._numbered) and not self._comma
            return Evidence.CERTAIN if named else Evidence.SAID
        if word in words.DIALS:
            return Evidence.SAID
        if word in words.CALLS:
            return self._call(near)
        if word in words.TOPIC or (near and word in words.BELONGS and not self._numbered):
            return Evidence.NONE
        if words.is_other(word):
            apart = (self._comma and not word.endswith("s")) or self._reached
            far = self._passed > 1 and not self._numbered
            return Evidence.NONE if apart or far else Evidence.AGAINST
        self._reached = self._reached or (near and word in words.REACHED)
        self._passed += word not in words.FILLER and word not in words.REACHED
        return None

    def _before_number(self, said: str) -> Evidence | None:
        """What the word before "number" says, or None where it is read next: my number, policy number."""
        word = self._last()
        if _is_call(word) or words.is_other(word) or word in words.NUMBER:
            return None
        if word in words.OWNER:
            return Evidence.SAID
        if word in words.FILLER:
            return Evidence.NONE
        if said != "#" and word.endswith("s"):  # my mums number
            return Evidence.SAID
        if not word.isalpha():
            return Evidence.AGAINST if said == "#" else Evidence.SAID
        return Evidence.NONE if self._is_name() else Evidence.AGAINST

    def _call(self, near: bool) -> Evidence:
        """What `call`, `text` or `message` says: a verb asks to use the number, a noun is named by it."""
        if near and _GOES_ON.match(self._after):
            return Evidence.AGAINST
        if self._is_field:
            return Evidence.NONE
        lead = self._last()
        verb = not lead.isalpha() or lead in words.VERB_FOLLOWS or lead == "a" or words.is_phone(lead)
        if verb or self._reached or self._is_name():
            return Evidence.SAID
        return Evidence.AGAINST if near else Evidence.NONE

    def _is_name(self) -> bool:
        """Whether the next word has a capital letter that begins no sentence."""
        return len(self._words) > 1 and self._words[-1][0].isupper()

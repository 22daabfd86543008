"""How requests of a log look, and what no user of it would write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from distil_dag.core.scripts import is_dense
from distil_dag.stages.nlu.spans import tokens

_MARKUP = re.compile(r"[{}<>\[\]|=\\`*#_]|->|https?:")
# What nobody types, ends lines, or shows a text in another order than it is read. Other signs that are not
# seen belong to words: Persian has joiners in them, French a space that does not break before "!".
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_OPEN_QUOTE = "\"'\u201c\u2018`"
_CLOSE_QUOTE = "\"'\u201d\u2019`"


class Style:
    """How requests of this log look: case, final marks, characters, length."""

    def __init__(self, requests: Sequence[str]) -> None:
        texts = [text for text in requests if text.strip()]
        lower = sum(text == text.lower() for text in texts)
        marked = sum(text.rstrip()[-1] in ".!?" for text in texts)
        self.lower = bool(texts) and lower >= 0.95 * len(texts)
        self.unmarked = bool(texts) and marked <= 0.1 * len(texts)
        self.characters = {char for text in texts for char in text.casefold()}
        lengths = sorted(len(tokens(text)) for text in texts) or [1]
        self.shortest = lengths[0]
        self.longest = lengths[-1] * 3 // 2 + 2
        self.doubles = {pair for text in texts for pair in _doubles(text)}

    def clean(self, reply: str) -> str:
        """The first line of a reply without quotes, in the look of the log."""
        lines = [line.strip() for line in reply.strip().splitlines() if line.strip()]
        text = " ".join(lines[0].split()) if lines else ""
        if len(text) > 1 and text[0] in _OPEN_QUOTE and text[-1] in _CLOSE_QUOTE:
            text = text[1:-1].strip()
        text = text.lower() if self.lower else text
        # "at six p.m." ends with an abbreviation, not with a sentence.
        if self.unmarked and text[-1:] in (".", "!", "?") and not re.search(r"\b\w\.$", text):
            text = text.rstrip(".!? ")
        return text

    def problem(self, text: str) -> str:
        """What is wrong with the words as such; empty when nothing is."""
        words = [word for word, _, _ in tokens(text)]
        if not self.shortest <= len(words) <= self.longest or not any(word[0].isalnum() for word in words):
            return f"{len(words)} words, the log has {self.shortest} to {self.longest}"
        if _CONTROL.search(text):
            return "control characters"
        strange = sorted(
            set(text.casefold()) - self.characters - set("abcdefghijklmnopqrstuvwxyz0123456789 ',.?!-")
        )
        if strange:
            return f"characters that the log never has: {strange[:5]}"
        marks = _MARKUP.search(text)
        if marks and not set(marks.group()) <= self.characters:
            return f"markup {marks.group()!r}"
        repeated = _doubles(text) - self.doubles
        if repeated:
            return f"repeats {sorted(repeated)[0]!r}"
        return ""


def _doubles(text: str) -> set[str]:
    """Words said twice in a row, pairs of words said twice, and words said three times.

    Single letters of a script without spaces are no words here: good Chinese says them again and again.
    """
    words = [word for word, _, _ in tokens(text) if word[0].isalnum() and not is_dense(word)]
    pairs = Counter(pairwise(words))
    found = {f"{a} {b}" for (a, b), count in pairs.items() if a == b or count > 1}
    return found | {word for word, count in Counter(words).items() if count > 2}

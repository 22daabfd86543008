"""When two requests are the same request."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from distil_dag.core.scripts import BEGINS, DENSE, SIGN, run

# Articles, politeness and wake words: dropping them maps near copies of a request onto one
# key. Measured on a published smart-home test set, 31 of 78 rows were such copies of rows
# that remained in the training context.
_ARTICLES = ("a", "an", "the", "my", "our", "your")
_POLITENESS = ("please", "kindly", "can", "could", "would", "will", "you", "thanks", "thank", "just")
_WISHES = ("i", "i'd", "me", "want", "need", "like", "to", "for")
ENGLISH_FILLERS = _ARTICLES + _POLITENESS + _WISHES
WAKE_WORDS = ("hey", "hi", "hello", "ok", "okay", "olly", "alexa", "siri", "google", "assistant", "jarvis")
# Of a number the sign is part: "-5" is not 5, while "2-3" and "mid-90s" hold none.
_NUMBER_SIGN = rf"(?:(?=-\d){BEGINS}-)?"
_RUN = run(rf"[^\W_{DENSE}]")
_WORD = re.compile(rf"{_NUMBER_SIGN}{_RUN}(?:['\u2019]{_RUN})*|{SIGN}")
_DENSE_GAP = re.compile(rf"(?<=[{DENSE}]) (?=[{DENSE}])")


def words(text: str) -> list[str]:
    """Lower-case words of a text, Unicode-normalised, without punctuation but a number's minus.

    Where a script writes no spaces, each of its letters is a word.
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("\u2212", "-"))


@dataclass(frozen=True)
class Normaliser:
    """Unifies requests that differ in spelling and in words that make no difference.

    Attributes:
        dropped: Words and phrases that are left out; a phrase only where its words stand together.
    """

    dropped: tuple[str, ...]

    def key(self, text: str) -> str:
        """The key under which near copies of a request meet: fillers dropped, spelling unified.

        A request made of fillers only keeps all its words; a text without words keeps itself.
        """
        # Spaces between all letters would make any two Chinese requests half alike.
        return _DENSE_GAP.sub("", " ".join(self.content_words(text))) or text.strip()

    def content_words(self, text: str) -> list[str]:
        """The words of a text without fillers; all its words if it has no others."""
        found = words(text)
        kept = []
        place = 0
        while place < len(found):
            length = self._phrase_at(found, place)
            if not length:
                kept.append(found[place])
            place += length or 1
        return kept or found

    def _phrase_at(self, found: list[str], place: int) -> int:
        """How many words the longest dropped phrase has that begins there; 0 without one."""
        for phrase in self._phrases.get(found[place], ()):
            if found[place : place + len(phrase)] == phrase:
                return len(phrase)
        return 0

    @cached_property
    def _phrases(self) -> dict[str, list[list[str]]]:
        """The dropped phrases by their first word, the longest first."""
        phrases: dict[str, list[list[str]]] = {}
        for phrase in sorted(map(words, self.dropped), key=len, reverse=True):
            if phrase:
                phrases.setdefault(phrase[0], []).append(phrase)
        return phrases


ENGLISH = Normaliser(WAKE_WORDS + ENGLISH_FILLERS)

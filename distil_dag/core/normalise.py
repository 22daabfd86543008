"""When two requests are the same request."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.english import CONNECTIVES, FILLERS, REFERENCES, REPLIES, WAKE_WORDS
from distil_dag.core.scripts import BEGINS, DENSE, SIGN, is_dense, run

if TYPE_CHECKING:
    from distil_dag.core.case import Case, Message

# A request with so many words of its own, or fewer, always depends on what stands before it; one that points
# back does up to the second number. A longer one hardly ever comes twice.
_FEWEST_WORDS, _FEW_WORDS = 1, 3
# Of a number the sign is part: "-5" is not 5, while "2-3" and "mid-90s" hold none.
_NUMBER_SIGN = rf"(?:(?=-\d){BEGINS}-)?"
_QUESTION = re.compile("[?\u061f\uff1f]")
_RUN = run(rf"[^\W_{DENSE}]")
_WORD = re.compile(rf"{_NUMBER_SIGN}{_RUN}(?:['\u2019]{_RUN})*|{SIGN}")
_DENSE_GAP = re.compile(rf"(?<=[{DENSE}]) (?=[{DENSE}])")


def words(text: str) -> list[str]:
    """Lower-case words of a text, Unicode-normalised, without punctuation but a number's minus.

    Where a script writes no spaces, each of its letters is a word.
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("\u2212", "-"))


class Phrases:
    """Words and phrases to be found in a list of words; of two that begin at one place the longer counts."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._by_first: dict[str, list[list[str]]] = {}
        for phrase in sorted(map(words, texts), key=len, reverse=True):
            if phrase:
                self._by_first.setdefault(phrase[0], []).append(phrase)

    def length_at(self, found: Sequence[str], place: int) -> int:
        """How many words the longest phrase has that begins at a place; 0 without one."""
        for phrase in self._by_first.get(found[place], ()):
            if found[place : place + len(phrase)] == phrase:
                return len(phrase)
        return 0

    def left_out(self, found: Sequence[str]) -> list[str]:
        """The words without those of the phrases."""
        kept = []
        place = 0
        while place < len(found):
            length = self.length_at(found, place)
            if not length:
                kept.append(found[place])
            place += length or 1
        return kept


@dataclass(frozen=True)
class Normaliser:
    """Tells which requests are the same, in the language of a task's users.

    Words and phrases count only where their words stand together.

    Attributes:
        dropped: what makes no difference and is left out.
        replies: what answers a question and asks for nothing by itself.
        references: what stands for something that was said before.
        connectives: with what a request begins that goes on from the one before.
        context: what of production's system prompts belongs to a request, beside its words.
    """

    dropped: tuple[str, ...]
    replies: tuple[str, ...] = REPLIES
    references: tuple[str, ...] = REFERENCES
    connectives: tuple[str, ...] = CONNECTIVES
    context: ContextRule = NOTHING

    def identity(self, case: Case) -> str:
        """The key of a case's request together with all that it depends on.

        Of a request that stands alone, it is the key of its words, whatever was said before.
        """
        return self._identity(case.messages)

    def situation(self, case: Case) -> tuple[str, str]:
        """The identity, and the context in which it was said: together they decide the answer."""
        return self.identity(case), self.context.of(case.messages)

    def identities(self, case: Case) -> set[str]:
        """The identities of all requests of a conversation, those of its history included."""
        turns = case.messages
        ends = [place for place, turn in enumerate(turns, start=1) if turn.role == "user"]
        return {self._identity(turns[:end]) for end in ends or [0]}

    def asked(self, case: Case) -> list[str]:
        """The words of a case's request, then those that it depends on, the latest first.

        These are the assistant's last words before it and the user's turn before them, and so on until a turn
        of the user that stands alone. Words behind calls of the assistant only report what it did, unless
        they ask something.
        """
        return self._asked(case.messages)

    def stands_alone(self, text: str) -> bool:
        """Whether a request says by itself what is wanted.

        It does not with a single word of its own, or with a few of them where it points back: by a reference,
        or by a connective at its beginning. Replies, references, connectives and numbers are no words of its
        own. Where a script writes no spaces, two letters count as a word.
        """
        found = words(text)
        content = self.content_words(text)
        own = [word for word in self._pointers.left_out(content) if not word.isnumeric()]
        size = sum(0.5 if is_dense(word) else 1 for word in own)
        if size <= _FEWEST_WORDS:
            return False
        starts = any(self._connectives.length_at(said, 0) for said in (found, content) if said)
        points = starts or len(self._references.left_out(content)) < len(content)
        return size > _FEW_WORDS or not points

    def key(self, text: str) -> str:
        """The key under which near copies of a text meet: fillers dropped, spelling unified.

        A text made of fillers only keeps all its words; one without words keeps itself.
        """
        # Spaces between all letters would make any two Chinese requests half alike.
        return _DENSE_GAP.sub("", " ".join(self.content_words(text))) or text.strip()

    def content_words(self, text: str) -> list[str]:
        """The words of a text without fillers; all its words if it has no others."""
        found = words(text)
        return self._fillers.left_out(found) or found

    def _identity(self, messages: Sequence[Message]) -> str:
        return "\n".join(map(self.key, self._asked(messages)))

    def _asked(self, messages: Sequence[Message]) -> list[str]:
        said = [message for message in messages if message.role in ("user", "assistant")]
        texts: list[str] = []
        between: list[Message] = []
        for message in reversed(said):
            if message.role == "assistant":
                between.append(message)
                continue
            texts += _heard(between) if texts else []
            between = []
            texts.append(message.content)
            if message is said[0] or self.stands_alone(message.content):
                return texts
        texts += _heard(between) if texts else []
        return texts or [""]

    @cached_property
    def _fillers(self) -> Phrases:
        return Phrases(self.dropped)

    @cached_property
    def _references(self) -> Phrases:
        return Phrases(self.references)

    @cached_property
    def _connectives(self) -> Phrases:
        return Phrases(self.connectives)

    @cached_property
    def _pointers(self) -> Phrases:
        return Phrases((*self.replies, *self.references, *self.connectives))


def _heard(turns: Sequence[Message]) -> list[str]:
    """What the assistant said last in these turns, the latest first; nothing where it reports what it did."""
    acted = any(turn.tool_calls for turn in turns)
    last = next((turn.content for turn in turns if turn.content), "")
    return [last] if last and (not acted or _QUESTION.search(last)) else []


ENGLISH = Normaliser(WAKE_WORDS + FILLERS)

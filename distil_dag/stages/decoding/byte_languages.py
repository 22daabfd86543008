"""Sets of byte strings that are read a byte at a time: what may still follow (Brzozowski derivatives).

A language is an immutable value. `after(byte)` is the language of what may follow that byte, so
equal languages are one state of an automaton, and nothing is expanded that nobody reads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

Bytes = frozenset[int]

_HEX = frozenset(b"0123456789abcdef")
_LEADS = frozenset(range(0xC2, 0xF5))
# The second bytes of UTF-8: neither overlong forms nor surrogates nor what lies beyond U+10FFFF.
_WIDE = (0x80, 0xC0)
_NARROWED = {0xE0: (0xA0, 0xC0), 0xED: (0x80, 0xA0), 0xF0: (0x90, 0xC0), 0xF4: (0x80, 0x90)}
_PLAIN = frozenset(range(0x20, 0x80)) - frozenset(b'"\\')


class Language(ABC):
    """What may be said from here on; never the empty set."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """True if nothing more need be said."""

    @property
    @abstractmethod
    def firsts(self) -> Bytes:
        """The bytes that may come next."""

    @abstractmethod
    def after(self, byte: int) -> Language:
        """What may follow one of the `firsts`."""

    def rest(self, text: bytes) -> Language | None:
        """What may follow this text; None if nothing begins with it."""
        rest: Language = self
        for byte in text:
            if byte not in rest.firsts:
                return None
            rest = rest.after(byte)
        return rest

    def begins(self, text: bytes) -> bool:
        """True if something may be said that begins with this text."""
        return self.rest(text) is not None

    def holds(self, text: bytes) -> bool:
        """True if exactly this may be said."""
        rest = self.rest(text)
        return rest is not None and rest.complete


@dataclass(frozen=True)
class Literal(Language):
    """Exactly this."""

    text: bytes

    @property
    def complete(self) -> bool:
        return not self.text

    @property
    def firsts(self) -> Bytes:
        return frozenset(self.text[:1])

    def after(self, byte: int) -> Language:
        return Literal(self.text[1:])


NOTHING = Literal(b"")


@dataclass(frozen=True)
class _Sequence(Language):
    head: Language
    tail: Language

    @cached_property
    def complete(self) -> bool:
        return self.head.complete and self.tail.complete

    @cached_property
    def firsts(self) -> Bytes:
        return self.head.firsts | self.tail.firsts if self.head.complete else self.head.firsts

    def after(self, byte: int) -> Language:
        ways = []
        if byte in self.head.firsts:
            ways.append(sequence(self.head.after(byte), self.tail))
        if self.head.complete and byte in self.tail.firsts:
            ways.append(self.tail.after(byte))
        return choice(ways)


@dataclass(frozen=True)
class _Choice(Language):
    options: frozenset[Language]

    @cached_property
    def complete(self) -> bool:
        return any(option.complete for option in self.options)

    @cached_property
    def firsts(self) -> Bytes:
        return frozenset().union(*(option.firsts for option in self.options))

    def after(self, byte: int) -> Language:
        return choice(option.after(byte) for option in self.options if byte in option.firsts)


def sequence(*parts: Language) -> Language:
    """One after the other."""
    whole: Language = NOTHING
    for part in reversed(parts):
        if whole == NOTHING:  # a part is a sequence in this form already
            whole = part
            continue
        match part, whole:
            case Literal(b""), _:
                pass
            case Literal(left), Literal(right):
                whole = Literal(left + right)
            case Literal(left), _Sequence(Literal(middle), tail):
                whole = _Sequence(Literal(left + middle), tail)
            case _Sequence(head, tail), _:
                whole = sequence(head, sequence(tail, whole))
            case _:
                whole = _Sequence(part, whole)
    return whole


def choice(options: Iterable[Language]) -> Language:
    """Any one of them; at least one must be given."""
    given = list(options)
    if not given:
        raise ValueError("a choice needs an option")
    if len(given) == 1:  # most often, and a set would look through all of it
        return given[0]
    flat: set[Language] = set()
    for option in given:
        flat |= option.options if isinstance(option, _Choice) else {option}
    return flat.pop() if len(flat) == 1 else _Choice(frozenset(flat))


class Unfolded(Language):
    """A language that is defined by another one, which is made when it is looked at."""

    @abstractmethod
    def unfold(self) -> Language: ...

    @cached_property
    def _meaning(self) -> Language:
        return self.unfold()

    @property
    def complete(self) -> bool:
        return self._meaning.complete

    @property
    def firsts(self) -> Bytes:
        return self._meaning.firsts

    def after(self, byte: int) -> Language:
        return self._meaning.after(byte)


@dataclass(frozen=True)
class Repeated(Unfolded):
    """`least` to `most` items (without end if None) with a separator between them."""

    item: Language
    separator: bytes
    least: int = 0
    most: int | None = None

    def unfold(self) -> Language:
        more = Further(self.item, self.separator, max(self.least - 1, 0), _less(self.most))
        one = sequence(self.item, more)
        if self.most == 0:
            return NOTHING
        return one if self.least else choice([NOTHING, one])


@dataclass(frozen=True)
class Further(Unfolded):
    """The rest of `Repeated` behind an item: a separator stands before each."""

    item: Language
    separator: bytes
    least: int
    most: int | None

    def unfold(self) -> Language:
        if self.most == 0:
            return NOTHING
        rest = Further(self.item, self.separator, max(self.least - 1, 0), _less(self.most))
        one = sequence(Literal(self.separator), self.item, rest)
        return one if self.least else choice([NOTHING, one])


@dataclass(frozen=True)
class Members(Unfolded):
    """Named members in this order, then any number of `others`, commas between them.

    Those that are not required may be missing.
    """

    members: tuple[tuple[bytes, Language, bool], ...]
    """Key with its colon, value, whether it is required."""
    begun: bool = False
    others: Language | None = None

    def unfold(self) -> Language:
        ways: list[Language] = []
        for place, (key, value, required) in enumerate(self.members):
            rest = Members(self.members[place + 1 :], True, self.others)
            ways.append(sequence(Literal(b"," * self.begun + key), value, rest))
            if required:
                return choice(ways)
        if self.others is None:
            return choice([*ways, NOTHING])
        more = Further(self.others, b",", 0, None) if self.begun else Repeated(self.others, b",")
        return choice([*ways, more])


@dataclass(frozen=True)
class Text(Language):
    """The inside of a JSON string, `least` to `most` characters, in UTF-8; `begun` is half a character."""

    least: int = 0
    most: int | None = None
    begun: bytes = b""

    @property
    def complete(self) -> bool:
        return self.least == 0 and not self.begun

    @property
    def firsts(self) -> Bytes:
        return frozenset() if self.most == 0 and not self.begun else _character(self.begun)

    def after(self, byte: int) -> Language:
        begun = _alike(self.begun + bytes([byte]))
        if _character(begun):
            return Text(self.least, self.most, begun)
        return Text(max(self.least - 1, 0), _less(self.most))


@dataclass(frozen=True)
class Copied(Language):
    """One byte or more of `source`, from one of `starts` to one of `ends`, which are places in it."""

    source: bytes
    starts: frozenset[int]
    ends: frozenset[int]
    begun: bool = False

    @cached_property
    def complete(self) -> bool:
        return self.begun and not self.ends.isdisjoint(self.starts)

    @cached_property
    def firsts(self) -> Bytes:
        # Where no end follows, nothing could be finished.
        last = max(self.ends, default=0)
        return frozenset(self.source[place] for place in self.starts if place < last)

    def after(self, byte: int) -> Language:
        on = frozenset(place + 1 for place in self.starts if self.source[place : place + 1] == bytes([byte]))
        return Copied(self.source, on, self.ends, begun=True)


@lru_cache(maxsize=4096)
def _character(begun: bytes) -> Bytes:
    """The bytes that may follow within one character of a JSON string, none if it is whole."""
    if not begun:
        return _PLAIN | _LEADS | {0x5C}
    if begun[0] == 0x5C:
        if len(begun) == 1:
            return frozenset(b'"\\bfnrtu')
        if begun[1] != 0x75 or len(begun) == 6:
            return frozenset()
        # Halves of surrogate pairs are no characters.
        return frozenset(b"01234567") if begun[2:] == b"d" else _HEX
    lead = begun[0]
    length = 1 + (lead >= 0xC2) + (lead >= 0xE0) + (lead >= 0xF0)
    if len(begun) == length:
        return frozenset()
    return frozenset(range(*(_NARROWED.get(lead, _WIDE) if len(begun) == 1 else _WIDE)))


@lru_cache(maxsize=4096)
def _alike(begun: bytes) -> bytes:
    """Of all beginnings of a character that go on alike, the one that stands for them."""
    lead, length = begun[0], len(begun)
    if lead < 0xC2:
        return begun
    missing = 1 + (lead >= 0xE0) + (lead >= 0xF0) - (length - 1)
    narrowed = length == 1 and lead in _NARROWED
    return begun if narrowed or not missing else bytes([(0xC2, 0xE1, 0xF1)[missing - 1]])


def _less(most: int | None) -> int | None:
    return None if most is None else most - 1

"""JSON that no schema describes, as a language: any value, and members under any other name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from distil_dag.stages.decoding.byte_languages import (
    Bytes,
    Language,
    Literal,
    Members,
    Repeated,
    Text,
    Unfolded,
    choice,
    sequence,
)
from distil_dag.stages.decoding.numbers import number

# A value nested without end would fill every answer; real arguments nest four deep.
_DEEPEST = 16


@dataclass(frozen=True)
class AnyValue(Unfolded):
    """Any JSON value whose arrays and objects nest at most so deep."""

    depth: int = _DEEPEST

    def unfold(self) -> Language:
        inside = AnyValue(max(self.depth - 1, 0))
        entries = Repeated(inside, b",", most=None if self.depth else 0)
        members = Members((), others=member(inside)) if self.depth else Literal(b"")
        numbers = number(None, None, whole=False)
        assert numbers is not None
        return choice([
            *(Literal(word) for word in (b"null", b"true", b"false")),
            numbers,
            sequence(Literal(b'"'), Text(), Literal(b'"')),
            sequence(Literal(b"["), entries, Literal(b"]")),
            sequence(Literal(b"{"), members, Literal(b"}")),
        ])  # fmt: skip


@dataclass(frozen=True)
class _OtherText(Language):
    """The inside of a JSON string that is none of `taken`."""

    taken: frozenset[bytes]
    text: Text

    @cached_property
    def complete(self) -> bool:
        return self.text.complete and b"" not in self.taken

    @property
    def firsts(self) -> Bytes:
        return self.text.firsts

    def after(self, byte: int) -> Language:
        rest = self.text.after(byte)
        taken = frozenset(text[1:] for text in self.taken if text[:1] == bytes([byte]))
        return _OtherText(taken, rest) if taken and isinstance(rest, Text) else rest


def member(value: Language, taken: frozenset[bytes] = frozenset()) -> Language:
    """A member of an object under any name that is not `taken`; names as JSON writes them, unquoted."""
    name = _OtherText(taken, Text()) if taken else Text()
    return sequence(Literal(b'"'), name, Literal(b'":'), value)

"""Tombstones: what was forgotten, as hashes under a key of the store.

They hold neither ids nor words. Whoever can read the key as well can confirm a guess: that an id or a whole
request was forgotten. So they are kept as carefully as the store itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, Field, PrivateAttr

from distil_dag.core.case import Case, Message
from distil_dag.stages.forgetting.phrases import Phrase
from distil_dag.stages.forgetting.words import words

# An id shorter than this is not looked for in running text, where any number may be it.
_LONG_ID = 12
_ID = re.compile(rf"[\w.:#@-]{{{_LONG_ID},200}}")
_AROUND = re.compile(r"[:@]|\.+$")
_STEP = re.compile(r"#\d+$")
_BUCKETS = 4096


class Tombstones(BaseModel):
    """What is left out from now on.

    Attributes:
        key: Key of all hashes, in hexadecimal.
        ids: Hashes of ids of traces and exchanges.
        rows: Hashes of rows that were made from a forgotten trace.
        contents: Hashes of forgotten traces, for logs that give their records no ids.
        starts: Hashes of the conversations that forgotten traces end.
        records: Hashes of the beginnings of records that could not be read.
        phrases: Number of words -> hashes of what forgotten traces say.
        firsts: First words of the phrases, each as one of 4,096 numbers.
    """

    key: str = Field(default_factory=lambda: secrets.token_hex(32))
    ids: set[str] = Field(default_factory=set)
    rows: set[str] = Field(default_factory=set)
    contents: set[str] = Field(default_factory=set)
    starts: set[str] = Field(default_factory=set)
    records: set[str] = Field(default_factory=set)
    phrases: dict[int, set[str]] = Field(default_factory=dict)
    firsts: set[int] = Field(default_factory=set)
    _buckets: dict[str, int] = PrivateAttr(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever forgotten."""
        return not (self.ids or self.rows or self.records or self.phrases)

    def hash(self, kind: str, text: str) -> str:
        """What stands for a text here; equal texts of different kinds have different hashes."""
        said, key = f"{kind}\n{text}".encode(errors="replace"), self.key.encode()
        return hashlib.blake2b(said, key=key, digest_size=16).hexdigest()

    def add_ids(self, ids: Iterable[str]) -> None:
        """Forget ids; that of a record stands for all of its traces."""
        self.ids.update(self.hash("id", one) for one in ids)

    def add_trace(self, trace: Case) -> None:
        """Forget a trace by its content, and whatever goes on from it."""
        self.add_ids([trace.id])
        self.contents.add(self._case(trace))
        self.starts.add(self._start(trace.messages))

    def add_row(self, row: Case) -> None:
        """Forget a row that was made from a forgotten trace, by its content."""
        self.rows.add(self._case(row))

    def add_rejected(self, request: str, calls: str) -> None:
        """Forget a row that was made from a forgotten trace, and was rejected."""
        self.rows.add(self.hash("rejected", f"{request}\n{calls}"))

    def add_record(self, excerpt: str) -> None:
        """Forget a record that could not be read, by the beginning that is kept of it."""
        self.records.add(self.hash("record", excerpt))

    def add_phrases(self, phrases: Iterable[Phrase]) -> None:
        """Forget phrases."""
        for phrase in phrases:
            self.phrases.setdefault(len(phrase), set()).add(self.hash("phrase", " ".join(phrase)))
            self.firsts.add(self._bucket(phrase[0]))

    def holds_id(self, identity: str) -> bool:
        """Whether an id was forgotten, by itself or with its record."""
        if not self.ids:
            return False
        return self.hash("id", identity) in self.ids or (
            _STEP.search(identity) is not None and self.hash("id", _STEP.sub("", identity)) in self.ids
        )

    def holds_row(self, case: Case) -> bool:
        """Whether a case was made from a forgotten trace, or its conversation goes on from one."""
        if self.rows and self._case(case) in self.rows:
            return True
        if not self.starts:
            return False
        ends = [at for at, turn in enumerate(case.messages) if turn.role == "user"]
        return any(self._start(case.messages[: at + 1]) in self.starts for at in ends[:-1])

    def holds_rejected(self, request: str, calls: str) -> bool:
        """Whether a rejected row was made from a forgotten trace."""
        return bool(self.rows) and self.hash("rejected", f"{request}\n{calls}") in self.rows

    def holds_content(self, case: Case) -> bool:
        """Whether a trace says exactly what a forgotten one says."""
        return bool(self.contents) and self._case(case) in self.contents

    def holds_record(self, excerpt: str) -> bool:
        """Whether a record was forgotten that could not be read."""
        return bool(self.records) and self.hash("record", excerpt) in self.records

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where forgotten words and ids stand in a text, in order and word by word."""
        if self.is_empty:
            return []
        found = {one.span() for one in _ID.finditer(text) if self.ids and self._holds_token(one[0])}
        if self.phrases:
            said = list(words(text))
            for at, word in enumerate(said):
                if self._bucket(word.text) not in self.firsts:
                    continue
                for length, hashes in self.phrases.items():
                    part = said[at : at + length]
                    if len(part) == length and self.hash("phrase", " ".join(w.text for w in part)) in hashes:
                        found.update((one.start, one.end) for one in part)
        return sorted(found)

    def without(self, kept: Iterable[str]) -> Self:
        """The same without phrases that some texts say as well: these prove nothing.

        Args:
            kept: Texts of traces that were not forgotten.
        """
        left = {length: set(hashes) for length, hashes in self.phrases.items()}
        for text in set(kept):
            said = [word.text for word in words(text)]
            for at, word in enumerate(said):
                if self._bucket(word) in self.firsts:
                    for length, hashes in left.items():
                        if at + length <= len(said):
                            hashes.discard(self.hash("phrase", " ".join(said[at : at + length])))
        return type(self)(**{**dict(self), "phrases": left})

    def by_words(self) -> Self:
        """The same without ids, for rows whose ids are not those of traces."""
        return type(self)(**{**dict(self), "ids": set()})

    def _holds_token(self, token: str) -> bool:
        """Whether a run of signs is a forgotten id, or holds one among what often stands around ids."""
        parts = {token, token.strip(".:#@-"), *_AROUND.split(token)}
        return any(len(part) >= _LONG_ID and self.holds_id(part) for part in parts)

    def _bucket(self, word: str) -> int:
        known = self._buckets.get(word)
        if known is None:
            if len(self._buckets) > 1_000_000:
                self._buckets.clear()
            known = self._buckets[word] = int(self.hash("word", word), 16) % _BUCKETS
        return known

    def _case(self, case: Case) -> str:
        said = case.model_dump(mode="json", include={"messages", "calls", "text"}, exclude_defaults=True)
        return self.hash("case", json.dumps(said, sort_keys=True, ensure_ascii=False))

    def _start(self, turns: Iterable[Message]) -> str:
        said = [turn.model_dump(mode="json", exclude_defaults=True) for turn in turns]
        return self.hash("start", json.dumps(said, sort_keys=True, ensure_ascii=False))

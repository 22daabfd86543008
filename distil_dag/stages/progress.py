"""One line about a stage under way: written every few seconds, and read back by what draws it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from distil_dag.stages.ports import Progress

EVERY_SECONDS = 5.0

_LINE = re.compile(
    r"(?P<what>[^:]+): (?P<done>\d+)/(?P<total>\d+)(?: \((?P<left>\d+) s left\))?(?: (?P<note>.*))?"
)


@dataclass(frozen=True)
class ProgressLine:
    """How far a stage is.

    Attributes:
        what: name of the stage or of a part of it.
        done: units of work that are done.
        total: units of work in all.
        left: seconds left; None if they can't be told.
        note: further words.
    """

    what: str
    done: int
    total: int
    left: float | None = None
    note: str = ""

    def __str__(self) -> str:
        left = f" ({self.left:.0f} s left)" if self.left is not None else ""
        return f"{self.what}: {self.done}/{self.total}{left} {self.note}".rstrip()

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read a line back; None for any other text."""
        found = _LINE.fullmatch(text)
        if found is None:
            return None
        left = float(found["left"]) if found["left"] else None
        return cls(found["what"], int(found["done"]), int(found["total"]), left, found["note"] or "")


def paced(
    say: Callable[[str], object],
    what: str,
    spent: Callable[[], str] | None = None,
    every_seconds: float = EVERY_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """A Progress that reports a line at most every few seconds, and at the end of each part of the work.

    A smaller `done` or another `total` begins a new part, whose time left is estimated from its own pace
    alone.

    Args:
        say: called with each line.
        what: name of the work.
        spent: tells what has been used so far, such as tokens and money, as part of the note.
        every_seconds: seconds between two lines.
        clock: tells the time in seconds.
    """
    said = -every_seconds
    base: tuple[float, int] = (0.0, 0)
    before = (0, -1)

    def report(done: int, total: int, note: str = "") -> None:
        nonlocal said, base, before
        now = clock()
        if total != before[1] or done < before[0]:
            # Work that is done when a part begins was done in an earlier run, so it says nothing of the pace.
            base = (now, done)
        before = (done, total)
        if done < total and now - said < every_seconds:
            return
        said = now
        since, first = base
        left = (now - since) / (done - first) * (total - done) if first < done < total else None
        notes = [part for part in (note, spent() if spent else "") if part]
        say(str(ProgressLine(what, done, total, left, ", ".join(notes))))

    return report


def tally(counts: Mapping[str, int]) -> str:
    """The four largest counts in words, such as `120 passed, 7 ungrounded`; the others are summed up."""
    ordered = sorted((item for item in counts.items() if item[1]), key=lambda item: (-item[1], item[0]))
    parts = [f"{count} {name}" for name, count in ordered[:4]]
    rest = sum(count for _, count in ordered[4:])
    return ", ".join([*parts, f"{rest} otherwise"] if rest else parts)

"""Directions that vary how a request is said: a phrase in the prompt for a capable teacher, and a
choice of exemplars for any: a small one follows examples rather than instructions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distil_dag.core.case import Example
from distil_dag.core.normalise import Normaliser, words
from distil_dag.stages.nlu.spans import delexicalise


@dataclass(frozen=True)
class Mutator:
    """One direction; `prompts/call_first.jinja` has its phrase by name.

    Exemplars with the smallest `distance` show it best.
    """

    name: str
    distance: Callable[[Example, Normaliser], float]


def _length(case: Example, _: Normaliser) -> float:
    return float(len(words(case.request)))


def _politeness(case: Example, normaliser: Normaliser) -> float:
    return float(len(words(case.request)) - len(normaliser.content_words(case.request)))


def _position(case: Example, _: Normaliser) -> float:
    """Where the first value stands: 0 at the beginning, 1 at the end or nowhere."""
    template = delexicalise(case)
    return template.slots[0][1][0] / max(1, len(case.request)) if template.slots else 1.0


_DIRECTIONS: dict[str, tuple[Mutator, ...]] = {
    "length": (
        Mutator("short", _length),
        Mutator("long", lambda case, said: -_length(case, said)),
    ),
    "register": (
        Mutator("polite", lambda case, said: -_politeness(case, said)),
        Mutator("curt", _politeness),
    ),
    "indirectness": (
        # Sentences that do not begin with the command itself.
        Mutator("indirect", lambda case, _: -float(words(case.request)[:1] in (["i"], ["it's"]))),
    ),
    "word_order": (
        Mutator("value first", _position),
        Mutator("value last", lambda case, said: -_position(case, said)),
    ),
}  # fmt: skip
PLAIN = Mutator("plain", lambda case, _: 0.0)
NAMES = tuple(_DIRECTIONS)


def directions(names: Sequence[str]) -> list[Mutator]:
    """The directions of the mutators that a task switches on, the plain one first.

    ValueError names an unknown mutator and those that exist.
    """
    unknown = [name for name in names if name not in _DIRECTIONS]
    if unknown:
        raise ValueError(f"unknown mutators {unknown}: `synthesis.mutators` takes {list(NAMES)}")
    return [PLAIN, *(direction for name in names for direction in _DIRECTIONS[name])]


def choose_exemplars(
    cases: Sequence[Example], mutator: Mutator, count: int, rng: random.Random, normaliser: Normaliser
) -> list[Example]:
    """At most `count` cases for a prompt: drawn from the half that shows the direction best."""
    shuffled = sorted(cases, key=lambda case: case.id)
    rng.shuffle(shuffled)
    if mutator is not PLAIN:
        ranked = sorted(shuffled, key=lambda case: mutator.distance(case, normaliser))
        shuffled = ranked[: max(count, (len(shuffled) + 1) // 2)]
        rng.shuffle(shuffled)
    unlike: dict[str, Example] = {}
    for case in shuffled:
        unlike.setdefault(normaliser.identity(case), case)
    return list(unlike.values())[:count]

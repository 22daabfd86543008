"""Which values an argument takes: seen in seeds, or hinted at by other traces.

Arguments of one name share their values across tools where the seeds show that they do: a room is
a room for every tool, while the device of a lamp tool is none of a coffee tool.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from distil_dag.core.case import Case, Example
from distil_dag.core.normalise import Normaliser
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.spans import contains, delexicalise, locate, surfaces, tokens

# Two tools' arguments of one name hold the same kind of thing when the smaller set of values
# shares at least this part with the larger.
_SHARED_KIND = 0.3
# From this share of seeds on that hold the value in the words, the argument is grounded.
GROUNDED_FROM = 0.5
_ALWAYS_SAID = 0.8
# Fewer different values than this show no kind that could be continued.
_OPEN_FROM = 4
_SEED_WEIGHT, _HINT_WEIGHT = 1.0, 0.5
# Nobody turns off the lights in the carpet, and "at" does not go before "during the day".
_OTHER_TOOL, _OTHER_FRAME = 0.3, 0.15
_VALUE = re.compile(r"[^\W_][\w'\u2019.%+ -]*", re.UNICODE)
_STOP = frozenset(
    ("it", "this", "that", "them", "something", "anything", "none", "nothing", "etc", "and", "or", "the")
)

Slot = tuple[str, str]
"""A tool's name and one of its arguments."""


@dataclass
class ValueKind:
    """The values that some arguments share, each with its weight when one is drawn."""

    name: str
    slots: tuple[Slot, ...]
    weights: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    frames: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    users: dict[str, set[Slot]] = field(default_factory=dict)

    def add(self, value: Any, weight: float, origin: str) -> None:
        """Count a value; what seeds show first keeps its spelling and origin."""
        key = _key(value)
        self.values.setdefault(key, value)
        self.origin.setdefault(key, origin)
        self.weights[key] = self.weights.get(key, 0.0) + weight

    def known(self, value: Any) -> bool:
        return _key(value) in self.values

    def draw(
        self, rng: random.Random, slot: Slot, frame: tuple[str, str] | None = None, within: str = ""
    ) -> Any:
        """A value: frequent ones, and those that seeds show with this tool and frame, more often.

        Args:
            rng: draws.
            slot: the tool's argument that it is for.
            frame: the words around it.
            within: only values that this text holds; all if it is empty or holds none.
        """
        keys = sorted(self.values)
        keys = [key for key in keys if within and locate(self.values[key], within)] or keys
        chances = [self._chance(key, slot, frame) for key in keys]
        return self.values[rng.choices(keys, chances)[0]]

    def _chance(self, key: str, slot: Slot, frame: tuple[str, str] | None) -> float:
        # The root flattens the log's favourites without making a typo as likely as they are.
        chance = math.sqrt(self.weights[key])
        if slot not in self.users.get(key, {slot}):
            chance *= _OTHER_TOOL
        if frame is None or key not in self.frames:
            return chance
        before = sum(n for (left, _), n in self.frames[key].items() if left == frame[0])
        after = sum(n for (_, right), n in self.frames[key].items() if bool(right) == bool(frame[1]))
        return chance * (1.0 if before else _OTHER_FRAME) * (1.0 if after else 0.5)


class ValueCatalogue:
    """Values by argument, and how far each argument is grounded in the words of requests."""

    def __init__(self, toolset: Toolset, kinds: Sequence[ValueKind], grounded: Mapping[Slot, float]) -> None:
        self.toolset = toolset
        self.kinds = list(kinds)
        self.grounded = dict(grounded)
        self._by_slot = {slot: kind for kind in kinds for slot in kind.slots}

    @classmethod
    def learn(cls, seeds: Sequence[Example], toolset: Toolset) -> ValueCatalogue:
        """The catalogue of trusted cases: values found in their words, and frames around them."""
        hits: Counter[Slot] = Counter()
        total: Counter[Slot] = Counter()
        found: dict[Slot, list[tuple[Any, tuple[str, str]]]] = defaultdict(list)
        for seed in seeds:
            template = delexicalise(seed)
            for place, call in enumerate(seed.calls):
                for name, value in call.arguments.items():
                    slot = (call.name, name)
                    total[slot] += 1
                    hits[slot] += bool(locate(value, seed.request))
                    if (place, name) in template.paths:
                        found[slot].append((value, template.frame((place, name))))
        kinds = []
        for slots in _shared({slot: {_key(v) for v, _ in seen} for slot, seen in found.items()}):
            kind = ValueKind(name=slots[0][1], slots=slots)
            for slot in slots:
                for value, frame in found[slot]:
                    kind.add(value, _SEED_WEIGHT, "seed")
                    kind.users.setdefault(_key(value), set()).add(slot)
                    kind.frames.setdefault(_key(value), Counter())[frame] += 1
            kinds.append(kind)
        return cls(toolset, kinds, {slot: hits[slot] / total[slot] for slot in sorted(total)})

    def kind(self, tool: str, argument: str) -> ValueKind | None:
        """The values of an argument; None where no seed holds one in its words."""
        return self._by_slot.get((tool, argument))

    def is_grounded(self, tool: str, argument: str) -> bool:
        return self.grounded.get((tool, argument), 0.0) >= GROUNDED_FROM

    def unsaid(self, case: Case) -> list[str]:
        """Arguments whose value is not in the words, though nearly all requests say theirs."""
        return [
            name
            for call in case.calls
            for name, value in call.arguments.items()
            if self.grounded.get((call.name, name), 0.0) >= _ALWAYS_SAID and not locate(value, case.request)
        ]

    def known_value(self, tool: str, argument: str, words: str) -> Any:
        """The known value that these words say, or None."""
        kind = self.kind(tool, argument)
        plain = " ".join(words.casefold().split())
        for key in sorted(kind.values) if kind else ():
            assert kind is not None
            if plain in (surface.casefold() for surface in surfaces(kind.values[key])):
                return kind.values[key]
        return None

    def longer_value(self, tool: str, argument: str, value: Any, text: str) -> str:
        """A known value of the argument that the text holds around this one; empty if there is none."""
        kind = self.kind(tool, argument)
        if kind is None or not isinstance(value, str):
            return ""
        spans = locate(value, text)
        for key in sorted(kind.values):
            other = kind.values[key]
            if isinstance(other, str) and len(other) > len(value) and locate(value, other):
                around = locate(other, text)
                if any(contains(span, around) for span in spans):
                    return other
        return ""

    def allowed(self, kind: ValueKind, value: Any) -> bool:
        """Whether the schema of every argument that shares the kind takes the value."""
        return all(self.toolset.takes(tool, name, value) for tool, name in kind.slots)

    def hint(self, slot: Slot, value: str) -> None:
        """Add a value that an untrusted trace shows, if its kind is open and the schema takes it."""
        kind = self._by_slot.get(slot)
        if kind and self.fits(kind, value):
            kind.add(value, _HINT_WEIGHT, "hint")

    def mine(
        self, trusted: Sequence[Example], requests: Mapping[str, Sequence[str]], normaliser: Normaliser
    ) -> None:
        """Add the values that a tool's requests hold where a trusted one of the same words has its slot.

        "turn off the lights in the [room]" finds the guest room in "please turn off the lights in the
        guest room", whoever answered that how.
        """

        def content(text: str) -> list[str]:
            return normaliser.key(text).split()

        plain = {tool: [" ".join(content(text)) for text in texts] for tool, texts in requests.items()}
        # Words of one request alone may be its own mistake.
        seen = Counter(
            gram for texts in plain.values() for text in sorted(set(texts)) for gram in phrases(text)
        )
        carrier_words = Counter(word for case in trusted for word in content(delexicalise(case).carrier))
        for case in trusted:
            template = delexicalise(case)
            if len(template.slots) != 1 or len(content(template.carrier)) < 4:
                continue
            (place, name), (start, end) = template.slots[0]
            left, right = (" ".join(content(part)) for part in (case.request[:start], case.request[end:]))
            pattern = re.compile(f"{re.escape(left)} ?(.+?) ?{re.escape(right)}")
            for text in plain.get(case.calls[place].name, ()):
                found = pattern.fullmatch(text)
                said = found[1].split() if found else []
                if (
                    found
                    and seen[found[1]] > 1
                    and not any(carrier_words[word] or len(word) < 2 for word in said)
                ):
                    self.hint((case.calls[place].name, name), found[1])

    def is_open(self, kind: ValueKind) -> bool:
        """Whether the argument takes any text, and enough different ones were seen."""
        strings = [value for value in kind.values.values() if isinstance(value, str)]
        specs = [self.toolset[tool].properties.get(name, {}) for tool, name in kind.slots]
        return len(strings) >= _OPEN_FROM and not any("enum" in spec or "pattern" in spec for spec in specs)

    def fits(self, kind: ValueKind, value: str) -> bool:
        """Whether a text may be a new value: short, plain, of no other argument, and the schema takes it."""
        if len(value) < 2 or not self.is_open(kind) or not _VALUE.fullmatch(value) or value in _STOP:
            return False
        longest = max(len(tokens(str(v))) for k, v in kind.values.items() if kind.origin[k] == "seed")
        if len(tokens(value)) > longest or len(value) > 40 or len(set(value.split())) < len(value.split()):
            return False
        others = (other for other in self.kinds if other is not kind and other.name != kind.name)
        return not any(other.known(value) for other in others) and self.allowed(kind, value)


def fill_ranges(catalogue: ValueCatalogue) -> None:
    """Give enum and bounded whole-number arguments the values that their schema allows."""
    for kind in catalogue.kinds:
        tool, name = kind.slots[0]
        spec = catalogue.toolset[tool].properties.get(name, {})
        for value in spec.get("enum") or ():
            if isinstance(value, (str, int, float)) and catalogue.allowed(kind, value):
                kind.add(value, _HINT_WEIGHT, "schema")
        seen = [v for v in kind.values.values() if isinstance(v, int) and not isinstance(v, bool)]
        if seen and len(seen) == len(kind.values):
            # Between what users said: a schema's range may be far wider than what anyone asks for.
            step = 5 if all(value % 5 == 0 for value in seen) else 1
            for value in range(min(seen), max(seen) + 1, step)[:200]:
                if catalogue.allowed(kind, value):
                    kind.add(value, _HINT_WEIGHT, "schema")


def _shared(values: Mapping[Slot, set[str]]) -> list[tuple[Slot, ...]]:
    """Slots grouped by argument name and overlap of their values."""
    groups: list[list[Slot]] = []
    for slot in sorted(values, key=lambda s: (-len(values[s]), s)):
        for group in groups:
            together = set().union(*(values[other] for other in group))
            overlap = len(values[slot] & together) / max(1, min(len(values[slot]), len(together)))
            if group[0][1] == slot[1] and overlap >= _SHARED_KIND:
                group.append(slot)
                break
        else:
            groups.append([slot])
    return [tuple(group) for group in groups]


def _key(value: Any) -> str:
    return f"{type(value).__name__}:{' '.join(str(value).casefold().split())}"


def phrases(text: str) -> set[str]:
    """All runs of one to three words of a text, case-folded and joined by spaces."""
    found = [word for word, _, _ in tokens(text)]
    return {" ".join(found[i : i + n]) for n in (1, 2, 3) for i in range(len(found) - n + 1)}

"""What is constant in the system prompts of a log, and what varies from request to request.

Segments that stand in nearly all prompts of a template are constant. Templates are prompts that have most of
their frequent segments in common: two agents in one log are two templates. What could be a rewritten
instruction or a fact of the request counts as varying: a kept instruction costs tokens, a lost fact costs the
answer.
"""

from __future__ import annotations

import hashlib
import random
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from distil_dag.core.case import Case
from distil_dag.core.context import NOTHING, ContextRule, blocks, system_text
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.spans import locate
from distil_dag.stages.nlu.unsaid_values import unsaid_values

# In fewer requests a segment may be the same by chance.
FEWEST = 20
# A segment in so many of the requests is in nearly all of them.
_NEARLY_ALL = 0.95
# Segments that are rarer than this say nothing of which template a prompt has.
_FREQUENT = 0.05
# Of their frequent segments, weighted, the prompts of a template share so much.
_SHARED = 0.5
# A wording that was given up later must have been in use for so much of the log.
_LONG = 0.25
# Different prompts that are compared; of more, an even sample by their hash.
_MOST = 5000
# More templates than this are no templates.
_TEMPLATES = 50
# A label before a colon has at most so many words.
_LABEL = 4
# Requests whose labels are looked up in the context.
_SAMPLE = 1000


@dataclass
class Prompt:
    """One system prompt of the log.

    Attributes:
        blocks: its segments, by blocks.
        places: numbers of the requests that have it.
    """

    blocks: tuple[tuple[str, ...], ...]
    places: array[int]

    @cached_property
    def segments(self) -> frozenset[str]:
        """The segments without their order."""
        return frozenset(segment for block in self.blocks for segment in block)


class SystemPrompts:
    """The system prompts of a log, read one request after another in bounded memory.

    Attributes:
        requests: number of requests with a system turn.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._sample: list[Callable[[], Case]] = []
        self._found: dict[bytes, Prompt] = {}
        self._segments: dict[str, str] = {}
        self._thinned = 1
        self._last: tuple[str, Prompt | None] = ("", None)
        self._draw = random.Random(0)

    def add(self, case: Case) -> None:
        """Count the system turns of a request."""
        self.add_text(system_text(case.messages), lambda: case)

    def add_text(self, text: str, case: Callable[[], Case]) -> None:
        """Count the system turns of a request.

        Args:
            text: their words.
            case: gives the request; it is asked for only if the request is in the sample at the end.
        """
        if not text.strip():
            return
        if text != self._last[0]:
            self._last = (text, self._prompt(text))
        if self._last[1]:
            self._last[1].places.append(self.requests)
        self.requests += 1
        if len(self._sample) < _SAMPLE:
            self._sample.append(case)
        elif (place := self._draw.randrange(self.requests)) < _SAMPLE:
            self._sample[place] = case

    @property
    def sample(self) -> list[Case]:
        """An even sample of the requests with a system turn."""
        return [case() for case in self._sample]

    @property
    def prompts(self) -> list[Prompt]:
        """The different prompts, or an even sample of many."""
        return list(self._found.values())

    @property
    def different(self) -> int:
        """Number of different prompts; an estimate where they were sampled."""
        return len(self._found) * self._thinned

    def _prompt(self, text: str) -> Prompt | None:
        mark = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        if not self._is_sampled(mark):
            return None
        if mark not in self._found:
            parts = tuple(
                tuple(self._segments.setdefault(part, part) for part in block) for block in blocks(text)
            )
            self._found[mark] = Prompt(parts, array("I"))
            if len(self._found) > _MOST:
                self._thin()
        return self._found.get(mark)

    def _is_sampled(self, mark: bytes) -> bool:
        return int.from_bytes(mark[:8], "big") % self._thinned == 0

    def _thin(self) -> None:
        self._thinned *= 2
        self._found = {mark: prompt for mark, prompt in self._found.items() if self._is_sampled(mark)}
        standing = {part for prompt in self._found.values() for block in prompt.blocks for part in block}
        self._segments = {part: part for part in standing}


@dataclass(frozen=True)
class ContextSplit:
    """What the system prompts of a log are made of.

    Attributes:
        constant: the segments that are constant.
        varies: whether any request has others.
        templates: number of templates.
    """

    constant: tuple[str, ...] = ()
    varies: bool = False
    templates: int = 0

    @property
    def varying(self) -> ContextRule:
        """The rule that keeps what varies."""
        return ContextRule(keeps="varying", constant=self.constant) if self.varies else NOTHING

    def rule(self, wanted: Literal["auto", "none", "full"]) -> ContextRule:
        """What a student reads of system prompts under a setting.

        Args:
            wanted: the setting `student.context`.
        """
        if wanted == "none" or not self.templates:
            return NOTHING
        return self.varying if wanted == "auto" else ContextRule(keeps="all")


def split_of(found: SystemPrompts, toolset: Toolset) -> ContextSplit:
    """The constant part of a log's system prompts.

    With one prompt alone nothing varies. With several in fewer than `FEWEST` requests, all of them varies.

    Args:
        found: the prompts.
        toolset: the tools, for values of labels. Text that holds such a value and is no part of nearly all
            prompts varies.
    """
    prompts = sorted(found.prompts, key=lambda prompt: -len(prompt.places))
    ordered = dict.fromkeys(part for prompt in prompts for block in prompt.blocks for part in block)
    if len(prompts) < 2:
        return ContextSplit(tuple(ordered), False, len(prompts))
    groups = _templates(prompts)
    constant = _constant(groups, _needed(found.sample, toolset))
    varies = not all(prompt.segments <= constant for prompt in prompts)
    return ContextSplit(tuple(part for part in ordered if part in constant), varies, len(groups))


def _templates(prompts: Sequence[Prompt]) -> list[list[Prompt]]:
    """The prompts by template, the most frequent template first."""
    times = _times(prompts)
    total = _requests(prompts)
    fields = Counter(_field(part) for part in times)
    # What few prompts have in common says little of their template, and facts say nothing of it.
    weight = {
        part: count / total
        for part, count in times.items()
        if count >= _NEARLY_ALL * total or (count >= _FREQUENT * total and not _is_fact(part, fields))
    }
    alike: dict[frozenset[str], list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        alike[frozenset(prompt.segments & weight.keys())].append(prompt)
    groups: list[tuple[frozenset[str], list[Prompt]]] = []
    for parts, members in sorted(alike.items(), key=lambda item: (-_requests(item[1]), sorted(item[0]))):
        near = max(groups, key=lambda group: _likeness(parts, group[0], weight), default=None)
        if near and (len(groups) == _TEMPLATES or _likeness(parts, near[0], weight) >= _SHARED):
            near[1].extend(members)
        else:
            groups.append((parts, list(members)))
    return [members for _, members in groups]


def _likeness(left: Set[str], right: Set[str], weight: Mapping[str, float]) -> float:
    """The share of the larger one's weight that both have; prompts without frequent segments are alike."""
    larger = max(sum(weight[part] for part in parts) for parts in (left, right))
    return sum(weight[part] for part in left & right) / larger if larger else 1.0


def _constant(groups: Sequence[Sequence[Prompt]], needed: frozenset[str]) -> set[str]:
    """The segments that are constant in each template that has them, and no facts."""
    large = [group for group in groups if _requests(group) >= FEWEST]
    everywhere = sum(_requests(group) for group in large)
    total = sum((_times(group) for group in large), Counter[str]())
    fields = Counter(_field(part) for part in total)
    constant: set[str] = set()
    varying: set[str] = set()
    for group in large:
        steady = _steady(group)
        partial = {part for part in steady if total[part] < _NEARLY_ALL * everywhere}
        facts = {part for part in partial if ":" in part and fields[_field(part)] > 1}
        for block in {block for prompt in group for block in prompt.blocks}:
            if not partial.isdisjoint(needed.intersection(block)):
                facts |= partial.intersection(block)
        constant |= steady - facts
        varying |= _times(group).keys() - (steady - facts)
    return constant - varying


def _steady(group: Sequence[Prompt]) -> set[str]:
    """The segments of nearly all requests of a template, or of a long stretch of them.

    A wording that gave way to another stands in a stretch of the log. So does a date: what holds a digit, or
    begins like another segment, is taken for a fact.
    """
    count = _requests(group)
    times = _times(group)
    steady = {part for part, number in times.items() if number >= _NEARLY_ALL * count}
    fields = Counter(_field(part) for part in times)
    order = sorted(place for prompt in group for place in prompt.places)
    for part, number in times.items():
        if part not in steady and number >= max(FEWEST, _LONG * count) and not _is_fact(part, fields):
            places = [place for prompt in group if part in prompt.segments for place in prompt.places]
            stretch = bisect_right(order, max(places)) - bisect_left(order, min(places))
            if number >= _NEARLY_ALL * stretch:
                steady.add(part)
    return steady


def _needed(sample: Iterable[Case], toolset: Toolset) -> frozenset[str]:
    """The segments in which values of labels stand that nobody said."""
    found: set[str] = set()
    for case in sample:
        unsaid = [value for _, _, value in unsaid_values(case, toolset)]
        if unsaid:
            parts = {part for block in blocks(system_text(case.messages)) for part in block}
            found |= {part for part in parts if any(locate(value, part) for value in unsaid)}
    return frozenset(found)


def _times(prompts: Iterable[Prompt]) -> Counter[str]:
    """How many requests have each segment."""
    counts: Counter[str] = Counter()
    for prompt in prompts:
        for part in prompt.segments:
            counts[part] += len(prompt.places)
    return counts


def _requests(prompts: Iterable[Prompt]) -> int:
    return sum(len(prompt.places) for prompt in prompts)


def _is_fact(part: str, fields: Mapping[str, int]) -> bool:
    """Whether a segment holds a digit, or begins like another one."""
    return fields[_field(part)] > 1 or any(sign.isdigit() for sign in part)


def _field(part: str) -> str:
    """What a segment tells, as far as its beginning says it: the words before a colon, or the first two."""
    before, colon, _ = part.casefold().partition(":")
    words = before.split()
    return " ".join(words if colon and len(words) <= _LABEL else words[:2])

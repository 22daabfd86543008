"""Which words of a request are values of which argument of a tool, read from left to right."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Self

from distil_dag.core.case import Case
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.nlu.linear_classifier import Chances, LinearClassifier
from distil_dag.stages.nlu.slot_features import Features, Lexicon, under_tool
from distil_dag.stages.nlu.spans import OUTSIDE, Span, delexicalise, tokens

Slots = list[tuple[str, Span, Chances]]
"""For each word of a text: the word (case-folded), its span, and the probability of each argument.

The probability under :data:`OUTSIDE` is that of belonging to none.
"""

_STRENGTH = 3.0


class SlotTagger:
    """A classifier of words in their context, and the values that it knows.

    Without a lexicon no value is known, and every number is the same word.
    """

    def __init__(self, classifier: LinearClassifier, lexicon: Lexicon | None = None) -> None:
        self.classifier, self._lexicon = classifier, lexicon

    @classmethod
    def fit(cls, cases: Iterable[Case], lexicon: Lexicon | None = None, seen: int = 1) -> Self:
        """Learn from cases of one call each; features of fewer than `seen` words are left out."""

        def examples() -> Iterator[tuple[Features, str]]:
            for case in cases:
                call, before = case.calls[0], OUTSIDE
                words, known = _look(case.request, lexicon, call)
                for place, tag in enumerate(delexicalise(case).tags()):
                    yield under_tool(words, place, call.name, before, known[place]), tag
                    before = tag

        return cls(LinearClassifier.fit(examples(), _STRENGTH, seen), lexicon)

    def read(self, tool: str, text: str, arguments: Collection[str]) -> Slots:
        """The words of a text under a tool with these arguments: others are no choice."""
        words, known = _look(text, self._lexicon)
        result: Slots = []
        before = OUTSIDE
        for place, (word, start, end) in enumerate(tokens(text)):
            every = self.classifier.chances(under_tool(words, place, tool, before, known[place]))
            own = {tag: p for tag, p in every.items() if tag == OUTSIDE or tag in arguments} or {OUTSIDE: 1.0}
            whole = sum(own.values()) or 1.0
            chances = {tag: p / whole for tag, p in own.items()}
            before = likeliest(chances)
            result.append((word, (start, end), chances))
        return result


def spans(slots: Slots) -> Iterator[tuple[str, Span]]:
    """Each argument whose value the words most probably are, and where it stands; once for each place."""
    for tag, run in groupby(slots, key=lambda slot: likeliest(slot[2])):
        found = [span for _, span, _ in run]
        if tag != OUTSIDE:
            yield tag, (found[0][0], found[-1][1])


def likeliest(chances: Mapping[str, float]) -> str:
    """The label of the greatest probability, the first by name among equals; OUTSIDE where there is none."""
    return max(sorted(chances), key=lambda label: chances[label], default=OUTSIDE)


def _look(
    text: str, lexicon: Lexicon | None, call: ToolCall | None = None
) -> tuple[list[str], list[set[str]]]:
    """The words of a text, and for each the arguments that have a known value there."""
    words = [word for word, _, _ in tokens(text)]
    if lexicon is None:
        return ["0" if word.isdigit() else word for word in words], [set() for _ in words]
    return words, lexicon.known(words, call)

"""What a log says about any calls for one of its requests, without a model.

Votes of similar requests, readers of words, values that the log knows. Every number leaves the
trace's own calls out.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from distil_dag.core.tool_call import Calls, calls_key
from distil_dag.stages.judging.likelihood.neighbours import LEAST_VOTE, Requests, Votes
from distil_dag.stages.nlu.cross_fitting import FLOOR, cross_fitted_intents, cross_fitted_slots
from distil_dag.stages.nlu.spans import OUTSIDE, Words, grams, leaves, slot_tags, surfaces
from distil_dag.stages.splitting.stratified import pattern
from distil_dag.stages.statistics import Floats

FEATURES = (
    "read_tool", "read_margin", "tool", "tool_margin", "weakest_tool", "missing_tool", "pattern",
    "weakest_argument", "missing_argument", "inside", "outside", "words", "values_not_in_words",
    "weakest_value", "value_words_found", "value_belongs", "known_value_left_out", "same_request", "calls",
    "arguments",
)  # fmt: skip

# Values that are said in other words ("half" for 50) and voted on, the most frequent ones.
_INFERRED = 300
# Words in a known value at most, when a request is searched for them.
_LONGEST = 5


class Evidence:
    """What the log says about any calls for any of its requests, under a trust in each trace."""

    def __init__(self, requests: Requests, weights: Floats) -> None:
        self._requests = requests
        self._weights = weights
        traces = requests.traces
        self._labels: dict[Hashable, int] = {}
        rows = [_labels(trace.calls) for trace in traces]
        for row, pairs in zip(rows, self._inferred(), strict=True):
            row += [("value", pair) for pair in pairs]
        tools = [[("tools", tool.name), ("tool", tool.name)] for tool in requests.toolset.tools]
        for label in sorted({label for row in rows + tools for label in row}):
            self._labels[label] = len(self._labels)
        self._kinds = {
            kind: {label[1]: n for label, n in self._labels.items() if label[0] == kind}  # type: ignore[index]
            for kind in ("tools", "tool", "argument", "pattern")
        }
        calls = [trace.calls for trace in traces]
        self._columns, self._tags = cross_fitted_slots(requests.words, calls, weights, requests.folds)
        masked = self._masked()
        votes = Votes(requests, masked, weights)
        self._votes = votes.predict(self._table(rows), self._table(tools))
        self._intent_columns, intents = cross_fitted_intents(
            masked, [_tools(found) for found in calls], weights, requests.folds, requests.voters
        )
        self._intents = np.maximum(intents, LEAST_VOTE)
        self._values: dict[str, Counter[str]] = defaultdict(Counter)
        self._same: dict[tuple[tuple[str, str], int], Counter[str]] = defaultdict(Counter)
        for trace, key, weight in zip(traces, requests.situations, weights, strict=True):
            self._same[key, trace.step][calls_key(trace.calls)] += weight
            for name, value in _values(trace.calls):
                self._values[_plain(value)][name] += weight
        self._left_out = self._count_values()

    def features(self, n: int, calls: Calls) -> list[float]:
        """The evidence on these calls for the n-th request, one number for each of FEATURES."""
        words, votes = self._requests.words[n], self._votes[n]
        tools = self._kinds["tools"]
        together = _tools(calls)
        own = self._vote(n, "tools", together)
        rival = max((votes[place] for name, place in tools.items() if name != together), default=LEAST_VOTE)
        names = {call.name for call in calls}
        arguments = {name for call in calls for name in call.arguments}
        tags, absent = slot_tags(words, calls)
        table = self._tags[n]
        chances = [
            float(table[place, self._columns[name]]) if name in self._columns else FLOOR
            for place, name in enumerate(tags)
        ]
        inside = [chance for chance, name in zip(chances, tags, strict=True) if name != OUTSIDE]
        outside = [chance for chance, name in zip(chances, tags, strict=True) if name == OUTSIDE]
        absent = [(name, value) for name, value in absent if not self._requests.history[n].places(value)]
        read = self._intents[n]
        column = self._intent_columns.get(together)
        own_read = LEAST_VOTE if column is None else float(read[column])
        return [
            math.log(own_read),
            math.log(own_read / max(LEAST_VOTE, *(p for m, p in enumerate(read) if m != column), 0.0)),
            math.log(own),
            math.log(own) - math.log(rival),
            min((math.log(self._vote(n, "tool", name)) for name in names), default=0.0),
            self._strongest_absent(n, "tool", names),
            math.log(self._vote(n, "pattern", pattern(calls))),
            min((math.log(self._vote(n, "argument", name)) for name in arguments), default=0.0),
            self._strongest_absent(n, "argument", arguments),
            math.log(min(inside, default=1.0)),
            math.log(min(outside, default=1.0)),
            float(np.log(chances).sum()),
            float(len(absent)),
            min((math.log(self._vote(n, "value", pair)) for pair in map(_pair, absent)), default=0.0),
            min((_found(value, words) for _, value in absent), default=1.0),
            min((self._belongs(n, name, value) for name, value in _values(calls)), default=1.0),
            self._known_left_out(n, tags, arguments),
            self._agreement(n, calls),
            float(len(calls)),
            float(len(arguments)),
        ]

    def rivals(self, n: int) -> list[str]:
        """Names of the tools, the likeliest for the n-th request first."""
        tool = self._kinds["tool"]
        return sorted(tool, key=lambda name: (-self._votes[n][tool[name]], name))

    def likeliest(self, n: int) -> list[tuple[str, float]]:
        """The two likeliest tools of an answer (`a + b` for two calls, empty for none) with their votes."""
        tools = self._kinds["tools"]
        order = sorted(tools, key=lambda name: (-self._votes[n][tools[name]], name))
        return [(name, float(self._votes[n][tools[name]])) for name in order[:2]]

    def values(self) -> dict[str, Counter[str]]:
        """Argument -> its values as JSON, with the trust in the traces that hold them."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for trace, weight in zip(self._requests.traces, self._weights, strict=True):
            for call in trace.calls:
                for name, value in call.arguments.items():
                    found[name][json.dumps(value, ensure_ascii=False, sort_keys=True)] += weight
        return found

    def _masked(self) -> list[str]:
        """The texts with words that the tagger takes for an argument's replaced by its name."""
        names = sorted(self._columns, key=lambda name: self._columns[name])
        texts = []
        for place, (words, table) in enumerate(zip(self._requests.words, self._tags, strict=True)):
            tags = [names[column] for column in table.argmax(axis=1)]
            kept = [
                f"[{name}]" if name else word
                for n, (word, name) in enumerate(zip(words.words, tags, strict=True))
                if not name or n == 0 or tags[n - 1] != name
            ]
            texts.append(self._requests.marked(place, kept))
        return texts

    def _inferred(self) -> list[list[str]]:
        """For each trace its values that the words do not hold, where the log repeats them."""
        absent = [
            sorted({_pair(pair) for pair in slot_tags(words, trace.calls)[1]})
            for words, trace in zip(self._requests.words, self._requests.traces, strict=True)
        ]
        counts = Counter(pair for pairs in absent for pair in pairs)
        common = {pair for pair, count in sorted(counts.items(), key=_most)[:_INFERRED] if count > 1}
        return [[pair for pair in pairs if pair in common] for pairs in absent]

    def _table(self, rows: Sequence[Sequence[Any]]) -> Floats:
        table = np.zeros((len(rows), len(self._labels)))
        for n, row in enumerate(rows):
            table[n, [self._labels[label] for label in row]] = 1.0
        return table

    def _vote(self, n: int, kind: str, name: Any) -> float:
        place = self._labels.get((kind, name))
        return LEAST_VOTE if place is None else float(self._votes[n][place])

    def _strongest_absent(self, n: int, kind: str, present: set[str]) -> float:
        votes = (self._votes[n][place] for name, place in self._kinds[kind].items() if name not in present)
        return math.log(max(votes, default=LEAST_VOTE))

    def _belongs(self, n: int, name: str, value: Any) -> float:
        """How often the log, without this trace, gives this value to this argument and no other."""
        counts = self._values.get(_plain(value), Counter())
        mine = Counter(
            {
                key: self._weights[n]
                for key, logged in _values(self._requests.traces[n].calls)
                if _plain(logged) == _plain(value)
            }
        )
        total = sum(max(0.0, counts[key] - mine[key]) for key in counts)
        return (max(0.0, counts[name] - mine[name]) + 0.1) / (total + 0.3)

    def _count_values(self) -> dict[tuple[str, str], tuple[float, float]]:
        """(argument, value) -> trust in requests that hold the words, and in those that use them."""
        held: dict[str, float] = defaultdict(float)
        used: dict[tuple[str, str], float] = defaultdict(float)
        for n, trace in enumerate(self._requests.traces):
            weight = float(self._weights[n])
            for gram in {gram for gram, _, _ in self._grams(n)}:
                held[gram] += weight
            for pair in {(name, _plain(value)) for name, value in _values(trace.calls)}:
                used[pair] += weight
        return {(name, value): (held[value], count) for (name, value), count in used.items() if value in held}

    def _grams(self, n: int) -> list[tuple[str, int, int]]:
        return [found for found in grams(self._requests.words[n].words, _LONGEST) if found[0] in self._values]

    def _known_left_out(self, n: int, tags: Sequence[str], arguments: set[str]) -> float:
        """The share of other requests in which words that these calls leave out are an argument."""
        weight = float(self._weights[n])
        logged = {(name, _plain(value)) for name, value in _values(self._requests.traces[n].calls)}
        most = 0.0
        for gram, start, end in self._grams(n):
            if any(tags[place] != OUTSIDE for place in range(start, end)):
                continue
            for name in self._values[gram]:
                held, used = self._left_out.get((name, gram), (0.0, 0.0))
                used -= weight if (name, gram) in logged else 0.0
                if name not in arguments and held:
                    most = max(most, used / (held - weight + 1.0))
        return most

    def _agreement(self, n: int, calls: Calls) -> float:
        """The share of the same request's other traces that carry these calls; 0.5 where there is none.

        What an agent calls next, by the result of a call, agrees or disagrees with other such steps alone.
        """
        counts = self._same[self._requests.situations[n], self._requests.traces[n].step]
        weight = float(self._weights[n])
        mine = weight if calls_key(self._requests.traces[n].calls) == calls_key(calls) else 0.0
        return (counts[calls_key(calls)] - mine + 0.5) / (sum(counts.values()) - weight + 1.0)


def _labels(calls: Calls) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("tools", _tools(calls))]
    found.append(("pattern", pattern(calls)))
    found += [("tool", call.name) for call in calls]
    found += [("argument", name) for name, _ in _values(calls)]
    return found


def _tools(calls: Calls) -> str:
    return " + ".join(sorted(call.name for call in calls))


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _values(calls: Calls) -> list[tuple[str, Any]]:
    return [
        (name, leaf) for call in calls for name, value in call.arguments.items() for leaf in leaves(value)
    ]


def _pair(item: tuple[str, Any]) -> str:
    return f"{item[0]}={_plain(item[1])}"


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(Words(text).words) or text.strip().casefold()


def _found(value: Any, words: Words) -> float:
    """The share of a value's words that the request holds, in whichever of its spellings has most."""
    shares = [0.0]
    for surface in surfaces(value):
        parts = Words(surface).words
        shares.append(sum(part in words.words for part in parts) / max(1, len(parts)))
    return max(shares)

"""What a log says about one of its own calls, without a model: votes of similar requests and words.

Every number leaves the trace itself out. The votes are kernel ridge regressions on the similarity
of requests, whose leave-one-out predictions come from one matrix inverse for all labels at once
(Rasmussen and Williams 2006, equation 5.12). The tools' own names and descriptions vote along, so
that a log of twenty traces has more than itself to go by.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from distil_dag.core.case import Trace
from distil_dag.core.normalise import request_key
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.sampling import pattern
from distil_dag.stages.slot_tagger import FLOOR, FOLDS, OUTSIDE, Floats, Words, leaves, tag, tag_probabilities
from distil_dag.stages.wording import surfaces

Calls = tuple[ToolCall, ...]

FEATURES = (
    "tool", "tool_margin", "weakest_tool", "missing_tool", "pattern", "weakest_argument",
    "missing_argument", "inside", "outside", "words", "values_not_in_words", "weakest_value",
    "value_words_found", "value_belongs", "known_value_left_out", "same_request", "calls", "arguments",
)  # fmt: skip

_RIDGE = 0.3
_LEAST_WEIGHT = 0.02
_TOOL_TEXT_WEIGHT = 0.3
# Requests that vote; a log beyond it is judged by this many of its own, evenly spread.
_VOTERS = 3000
_CHUNK = 2000
_LEAST = 1e-3
# Values that are said in other words ("half" for 50) and voted on, the most frequent ones.
_INFERRED = 300
# Words in a known value at most, when a request is searched for them.
_LONGEST = 5


class Requests:
    """The requests of a log, read once: words, similarity, folds. Nothing here looks at a call."""

    def __init__(self, traces: Sequence[Trace], toolset: Toolset) -> None:
        self.traces = traces
        self.toolset = toolset
        self.words = [Words(trace.request) for trace in traces]
        self.history = [Words("\n".join(m.content for m in _before(trace))) for trace in traces]
        self.keys = [request_key(trace.request) for trace in traces]
        ranks = {key: n for n, key in enumerate(sorted(set(self.keys)))}
        self.folds = np.array([ranks[key] % FOLDS for key in self.keys], dtype=np.int64)
        step = max(1, math.ceil(len(traces) / _VOTERS))
        step = max(1, math.ceil(len(traces) / _VOTERS))
        self.voters = np.arange(0, len(traces), step)
        self.texts = [_marked(trace, words.words) for trace, words in zip(traces, self.words, strict=True)]
        self.tool_texts = [_tool_text(tool) for tool in toolset.tools]


class Votes:
    """What similar requests predict. Three views of a request, each a third of the similarity.

    Words carry the meaning and letters the forms and typos. In the third the words of arguments
    are replaced by the argument's name, which leaves the words that choose the tool: two rooms
    are alike there, "on" and "off" are not.
    """

    def __init__(self, requests: Requests, masked: Sequence[str], weights: Floats) -> None:
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = requests.texts + requests.tool_texts
        share = math.sqrt(1 / 3)
        parts = r"\S+"
        words = TfidfVectorizer(token_pattern=parts, ngram_range=(1, 2), sublinear_tf=True)
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
        plain = TfidfVectorizer(token_pattern=parts, ngram_range=(1, 2), use_idf=False)
        views = (
            words.fit_transform(texts),
            letters.fit_transform(texts),
            plain.fit_transform([*masked, *requests.tool_texts]),
        )
        vectors = hstack([view * share for view in views]).tocsr()
        count = len(requests.traces)
        self._voters = requests.voters
        self._rows = vectors[:count]
        self._electorate = vectors[np.concatenate([self._voters, np.arange(count, len(texts))])]
        self._trust = np.concatenate(
            [
                np.maximum(weights[self._voters], _LEAST_WEIGHT),
                np.full(len(requests.tool_texts), _TOOL_TEXT_WEIGHT),
            ]
        )
        similarity = (self._electorate @ self._electorate.T).toarray()
        self._inverse = np.linalg.inv(similarity + _RIDGE * np.diag(1 / self._trust))

    def predict(self, labels: Floats, tools: Floats) -> Floats:
        """For each trace what the others predict for each label (columns), about 0 to 1.

        `labels` holds a row a trace, `tools` a row a tool.
        """
        targets = np.vstack([labels[self._voters], tools])
        mean = (self._trust @ targets) / self._trust.sum()
        dual = self._inverse @ (targets - mean)
        found = np.empty_like(labels)
        others = np.setdiff1d(np.arange(len(labels)), self._voters)
        for start in range(0, len(others), _CHUNK):
            rows = others[start : start + _CHUNK]
            found[rows] = (self._rows[rows] @ self._electorate.T).toarray() @ dual + mean
        left_out = targets - dual / np.diag(self._inverse)[:, None]
        found[self._voters] = left_out[: len(self._voters)]
        return np.clip(found, _LEAST, 1.0)


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
        self._columns, self._tags = tag_probabilities(
            requests.words, [trace.calls for trace in traces], weights, requests.folds
        )
        votes = Votes(requests, self._masked(), weights)
        self._votes = votes.predict(self._table(rows), self._table(tools))
        self._values: dict[str, Counter[str]] = defaultdict(Counter)
        self._same: dict[str, Counter[str]] = defaultdict(Counter)
        for trace, key, weight in zip(traces, requests.keys, weights, strict=True):
            self._same[key][_whole(trace.calls)] += weight
            for name, value in _values(trace.calls):
                self._values[_plain(value)][name] += weight
        self._left_out = self._count_values()

    def features(self, n: int, calls: Calls) -> list[float]:
        """The evidence on these calls for the n-th request, one number for each of FEATURES."""
        words, votes = self._requests.words[n], self._votes[n]
        tools = self._kinds["tools"]
        together = " + ".join(sorted(call.name for call in calls))
        own = self._vote(n, "tools", together)
        rival = max((votes[place] for name, place in tools.items() if name != together), default=_LEAST)
        names = {call.name for call in calls}
        arguments = {name for call in calls for name in call.arguments}
        tags, absent = tag(words, calls)
        table = self._tags[n]
        chances = [
            float(table[place, self._columns[name]]) if name in self._columns else FLOOR
            for place, name in enumerate(tags)
        ]
        inside = [chance for chance, name in zip(chances, tags, strict=True) if name != OUTSIDE]
        outside = [chance for chance, name in zip(chances, tags, strict=True) if name == OUTSIDE]
        absent = [(name, value) for name, value in absent if not self._requests.history[n].places(value)]
        return [
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

    def likeliest(self, n: int, most: int = 2) -> list[tuple[str, float]]:
        """The likeliest tools of a whole answer (`a + b` for two calls, empty for none) with their votes."""
        tools = self._kinds["tools"]
        order = sorted(tools, key=lambda name: (-self._votes[n][tools[name]], name))
        return [(name, float(self._votes[n][tools[name]])) for name in order[:most]]

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
        for trace, words, table in zip(self._requests.traces, self._requests.words, self._tags, strict=True):
            tags = [names[column] for column in table.argmax(axis=1)]
            kept = [
                f"[{name}]" if name else word
                for n, (word, name) in enumerate(zip(words.words, tags, strict=True))
                if not name or n == 0 or tags[n - 1] != name
            ]
            texts.append(_marked(trace, kept))
        return texts

    def _inferred(self) -> list[list[str]]:
        """For each trace its values that the words do not hold, where the log repeats them."""
        absent = [
            sorted({_pair(pair) for pair in tag(words, trace.calls)[1]})
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
        return _LEAST if place is None else float(self._votes[n][place])

    def _strongest_absent(self, n: int, kind: str, present: set[str]) -> float:
        votes = (self._votes[n][place] for name, place in self._kinds[kind].items() if name not in present)
        return math.log(max(votes, default=_LEAST))

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
        words = self._requests.words[n].words
        grams = []
        for start in range(len(words)):
            for end in range(start + 1, min(len(words), start + _LONGEST) + 1):
                gram = " ".join(words[start:end])
                if gram in self._values:
                    grams.append((gram, start, end))
        return grams

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
        """The share of the same request's other traces that carry these calls; 0.5 where there is none."""
        counts = self._same[self._requests.keys[n]]
        weight = float(self._weights[n])
        mine = weight if _whole(self._requests.traces[n].calls) == _whole(calls) else 0.0
        return (counts[_whole(calls)] - mine + 0.5) / (sum(counts.values()) - weight + 1.0)


def _labels(calls: Calls) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("tools", " + ".join(sorted(call.name for call in calls)))]
    found.append(("pattern", pattern(calls)))
    found += [("tool", call.name) for call in calls]
    found += [("argument", name) for name, _ in _values(calls)]
    return found


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


def _whole(calls: Calls) -> str:
    return "\n".join(sorted(call.key() for call in calls))


def _found(value: Any, words: Words) -> float:
    """The share of a value's words that the request holds, in whichever of its spellings has most."""
    shares = [0.0]
    for surface in surfaces(value):
        parts = Words(surface).words
        shares.append(sum(part in words.words for part in parts) / max(1, len(parts)))
    return max(shares)


def _before(trace: Trace) -> list[Any]:
    last = max((n for n, message in enumerate(trace.messages) if message.role == "user"), default=0)
    return [m for n, m in enumerate(trace.messages) if n != last and m.role != "system"]


def _marked(trace: Trace, words: Sequence[str]) -> str:
    """Words with a mark for what came before the request: an answer to it, or a conversation."""
    marks = [f"<{m.role}>" for m in trace.messages[-1:] if m.role != "user"]
    marks += ["<history>"] if any(m.role == "assistant" for m in trace.messages) else []
    return " ".join([*words, *marks]) or "<empty>"


def _tool_text(tool: Tool) -> str:
    about = Words(f"{tool.name} {tool.description}".replace("_", " "))
    return " ".join(about.words) or tool.name

"""A small reader of requests that has learned the conventions of the seeds.

Two linear models: one reads the tools (tf-idf of words and letters), one reads for a given tool
which words are values of which argument (a tagger over neighbouring words, decoded from left to
right). It is trained in a second, knows what seeds do at the edges of values ("wemo plug" or "wemo"?)
and with words that look like values but are none ("the lights"), and so checks what a teacher wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from distil_dag.core.case import Case, Example
from distil_dag.stages.nlu.spans import Span, contains, delexicalise, grams, tokens

OUTSIDE = ""
_SEED = 0
_FOLDS = 3
# On a log with a fifth of wrong calls these find half of them, and 4 in 36 that they name are right.
_DENIED, _OTHERWISE = 0.15, 0.6
# Words of the longest value that is looked up.
_LONGEST_VALUE = 5

_Values = dict[str, Counter[str]]
"""A value's words -> how often each argument takes it."""


def tools_key(case: Case) -> str:
    """The tools of a case's calls, whose order says nothing, joined by ` + `; empty for no call."""
    return " + ".join(sorted(call.name for call in case.calls))


class IntentSlotModel:
    """Reads tools and argument spans from words, as the trusted cases taught it."""

    def __init__(self, trusted: Sequence[Example]) -> None:
        self.trusted = [case for case in trusted if tokens(case.request)]
        self.tools = sorted({tools_key(case) for case in self.trusted})
        self._values = _value_counts(self.trusted)
        self._slots = {(c.name, name) for case in self.trusted for c in case.calls for name in c.arguments}
        self._known = {word for case in self.trusted for word, _, _ in tokens(case.request)}
        self._reader = _fit_reader(self.trusted) if len(self.tools) > 1 else None
        self._tagger = _fit_tagger(self.trusted, self._values)

    def knows(self, word: str) -> bool:
        """Whether any trusted request holds the (case-folded) word."""
        return word in self._known

    def read_tools(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """For each text the probability of each :func:`tools_key` that the seeds show."""
        if self._reader is None:
            return [dict.fromkeys(self.tools, 1.0) for _ in texts]
        if not texts:
            return []
        table = self._reader.predict_proba(list(texts))
        names = [str(name) for name in self._reader.classes_]
        return [dict(zip(names, map(float, row), strict=True)) for row in table]

    def read_arguments(self, tool: str, text: str) -> list[tuple[str, Span, dict[str, float]]]:
        """Each word of a text (case-folded), its span, and the probability of each argument.

        The probability under :data:`OUTSIDE` is that of belonging to no argument.
        """
        found = tokens(text)
        if self._tagger is None:
            return [(word, (start, end), {OUTSIDE: 1.0}) for word, start, end in found]
        words = [word for word, _, _ in found]
        lexicon = _lexicon(words, self._values, frozenset())
        result: list[tuple[str, Span, dict[str, float]]] = []
        before = OUTSIDE
        for place, (word, start, end) in enumerate(found):
            chances = self._tagger.chances(_features(words, place, tool, before, lexicon[place]))
            # Arguments of other tools are no choice here.
            own = {tag: p for tag, p in chances.items() if tag == OUTSIDE or (tool, tag) in self._slots}
            whole = sum(own.values()) or 1.0
            chances = {tag: p / whole for tag, p in own.items()}
            before = max(sorted(chances), key=lambda tag: chances[tag])
            result.append((word, (start, end), chances))
        return result

    def read_values(self, tool: str, text: str, sure: float = 0.0) -> dict[str, str] | None:
        """Argument name -> words of its value; None if an argument stands in two places.

        With `sure`, None as well when any word is read with less than this probability.
        """
        spans: dict[str, list[Span]] = {}
        last = OUTSIDE
        for _, (start, end), chances in self.read_arguments(tool, text):
            tag = max(sorted(chances), key=lambda name: chances[name])
            if chances[tag] < sure:
                return None
            if tag != OUTSIDE:
                if tag == last:
                    spans[tag][-1] = (spans[tag][-1][0], end)
                else:
                    spans.setdefault(tag, []).append((start, end))
            last = tag
        if any(len(found) > 1 for found in spans.values()):
            return None
        return {tag: text[found[0][0] : found[0][1]] for tag, found in spans.items()}


def doubtful(trusted: Sequence[Example]) -> set[str]:
    """Ids of trusted cases whose tools a reader trained on the others denies.

    In three folds: the case's own tools get less than 15 %, other tools more than 60 %.
    """
    cases = [case for case in trusted if tokens(case.request)]
    if len({tools_key(case) for case in cases}) < 2 or len(cases) < 4 * _FOLDS:
        return set()
    found = set()
    for fold in range(_FOLDS):
        rest = [case for place, case in enumerate(cases) if place % _FOLDS != fold]
        held = [case for place, case in enumerate(cases) if place % _FOLDS == fold]
        if len({tools_key(case) for case in rest}) < 2:
            continue
        model = _fit_reader(rest)
        for case, row in zip(held, model.predict_proba([case.request for case in held]), strict=True):
            chances = dict(zip(model.classes_, row, strict=True))
            own = chances.get(tools_key(case))
            if own is not None and own < _DENIED and max(chances.values()) > _OTHERWISE:
                found.add(case.id)
    return found


def _fit_reader(cases: Sequence[Example]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    text = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, tokenizer=_words, token_pattern=None),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True),
    )
    model = make_pipeline(text, LogisticRegression(C=20, max_iter=400, random_state=_SEED))
    return model.fit([case.request for case in cases], [tools_key(case) for case in cases])


class _Tagger:
    """A fitted logistic regression that reads one word in microseconds rather than milliseconds."""

    def __init__(self, columns: dict[str, int], model: Any) -> None:
        import numpy as np

        self._columns = columns
        self._tags = [str(tag) for tag in model.classes_]
        weights, bias = model.coef_.T, model.intercept_
        if len(self._tags) == 2:  # scikit-learn keeps one column for two classes
            weights = np.hstack([np.zeros_like(weights), weights])
            bias = np.array([0.0, float(bias[0])])
        self._weights, self._bias = weights, bias

    def chances(self, features: dict[str, Any]) -> dict[str, float]:
        """The probability of each tag."""
        import numpy as np

        rows = [self._columns[name] for name in sorted(features) if name in self._columns]
        logits = self._bias + self._weights[rows].sum(axis=0)
        odds = np.exp(logits - logits.max())
        return dict(zip(self._tags, (odds / odds.sum()).tolist(), strict=True))


def _fit_tagger(cases: Sequence[Example], values: _Values) -> _Tagger | None:
    """Logistic regression over the words of single-call cases; None where none has a slot."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    rows: list[dict[str, Any]] = []
    tags: list[str] = []
    for case in cases:
        if len(case.calls) != 1:
            continue
        template = delexicalise(case)
        found = tokens(case.request)
        words = [word for word, _, _ in found]
        # A value that only this case shows is unknown to the lexicon when the case is read.
        own = frozenset((_plain(value), name) for name, value in case.calls[0].arguments.items())
        lexicon = _lexicon(words, values, own)
        before = OUTSIDE
        for place, (_, start, end) in enumerate(found):
            tag = next((p[1] for p, span in template.slots if contains((start, end), [span])), OUTSIDE)
            rows.append(_features(words, place, case.calls[0].name, before, lexicon[place]))
            tags.append(tag)
            before = tag
    if len(set(tags)) < 2:
        return None
    vectorizer = DictVectorizer()
    model = LogisticRegression(C=3, max_iter=300, random_state=_SEED)
    model.fit(vectorizer.fit_transform(rows), tags)
    return _Tagger(vectorizer.vocabulary_, model)


def _features(words: list[str], place: int, tool: str, before: str, lexicon: set[str]) -> dict[str, Any]:
    def at(offset: int) -> str:
        index = place + offset
        return words[index] if 0 <= index < len(words) else ("<" if index < 0 else ">")

    word = words[place]
    features = {
        f"w={word}", f"tw={tool}|{word}", f"s={word[-3:]}", f"b={before}", f"tb={tool}|{before}",
        f"l={at(-1)}", f"r={at(1)}", f"ll={at(-2)}", f"rr={at(2)}",
        f"lw={at(-1)}|{word}", f"wr={word}|{at(1)}", f"lr={at(-1)}|{at(1)}",
        f"bw={before}|{word}", f"br={before}|{at(1)}", f"tl={tool}|{at(-1)}", f"t={tool}",
    }  # fmt: skip
    features |= {f"in={name}" for name in lexicon} | {f"tin={tool}|{name}" for name in lexicon}
    if not lexicon:
        features.add("in=")
    return dict.fromkeys(features, 1)


def _lexicon(words: list[str], values: _Values, without: frozenset[tuple[str, str]]) -> list[set[str]]:
    """For each word the arguments that have a known value covering it.

    `without`: (value, argument) pairs of the case being read, which don't count once.
    """
    found: list[set[str]] = [set() for _ in words]
    for gram, start, end in grams(words, _LONGEST_VALUE):
        for name, count in values.get(gram, {}).items():
            if count > ((gram, name) in without):
                for place in range(start, end):
                    found[place].add(name)
    return found


def _words(text: str) -> list[str]:
    return [word for word, _, _ in tokens(text)]


def _value_counts(cases: Sequence[Example]) -> _Values:
    counts: _Values = {}
    for case in cases:
        for call in case.calls:
            for name, value in call.arguments.items():
                counts.setdefault(_plain(value), Counter())[name] += 1
    return counts


def _plain(value: Any) -> str:
    return " ".join(word for word, _, _ in tokens(str(value)))

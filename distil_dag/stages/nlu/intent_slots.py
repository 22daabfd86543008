"""Which tools a request wants, and which of its words are whose argument: intent and slot models.

One logistic regression reads the tools (the intent) off a request, another the argument (the slot) off each
word in its context. Fitted in a second, they know what the cases do at the edges of values ("wemo plug" or
"wemo"?) and with words that look like values but are none ("the lights").
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Any, Self

from distil_dag.core.case import Case, Example
from distil_dag.stages.nlu.linear_classifier import Chances, LinearClassifier
from distil_dag.stages.nlu.slot_features import Lexicon
from distil_dag.stages.nlu.slot_tagger import Slots, SlotTagger, spans
from distil_dag.stages.nlu.spans import Span, tokens

_STRENGTH, _COMPACT_STRENGTH = 20.0, 5.0
# Features of fewer examples do not travel: they say little, and may be one person's words.
_SEEN = 3
_FOLDS = 3
# On a log with a fifth of wrong calls these find half of them, and 4 in 36 that they name are right.
_DENIED, _OTHERWISE = 0.15, 0.6


def tools_key(case: Case) -> str:
    """The tools of a case's calls, whose order says nothing, joined by ` + `; empty for no call."""
    return " + ".join(sorted(call.name for call in case.calls))


class IntentSlotModel:
    """Reads tools and argument spans off words, as the trusted cases taught it."""

    def __init__(self, trusted: Sequence[Case]) -> None:
        cases = [case for case in trusted if tokens(case.request)]
        self._known = {word for case in cases for word in _words(case.request)}
        self._arguments: dict[str, set[str]] = {}
        for call in (call for case in cases for call in case.calls):
            self._arguments.setdefault(call.name, set()).update(call.arguments)
        self._intents = _fit_intents(cases)
        self._tagger = SlotTagger.fit((case for case in cases if len(case.calls) == 1), Lexicon(cases))

    def knows(self, word: str) -> bool:
        """Whether any trusted request holds the (case-folded) word."""
        return word in self._known

    def read_tools(self, texts: Sequence[str]) -> list[Chances]:
        """For each text the probability of each :func:`tools_key` that the cases show."""
        return self._intents(texts) if texts else []

    def read_arguments(self, tool: str, text: str) -> Slots:
        """The words of a text, each with the probability of each argument of the tool."""
        return self._tagger.read(tool, text, self._arguments.get(tool, ()))

    def read_values(self, tool: str, text: str, sure: float = 0.0) -> dict[str, str] | None:
        """Argument name -> words of its value; None if an argument stands in two places.

        With `sure`, None as well when any word is read with less than this probability.
        """
        slots = self.read_arguments(tool, text)
        found = list(spans(slots))
        if len({name for name, _ in found}) < len(found):
            return None
        if any(max(chances.values()) < sure for _, _, chances in slots):
            return None
        return {name: text[start:end] for name, (start, end) in found}


class CompactModel:
    """An intent and slot model that travels in a file: it knows no letters and no values.

    What its intents are is up to who fits it.
    """

    def __init__(self, intents: LinearClassifier, tagger: SlotTagger) -> None:
        self._intents, self._tagger = intents, tagger

    @classmethod
    def fit(cls, cases: Sequence[Case], intents: Sequence[str]) -> Self:
        """Learn from cases and the intent of each."""
        requests = (dict.fromkeys(_words_and_pairs(case.request), 1.0) for case in cases)
        calls = (case.model_copy(update={"calls": (call,)}) for case in cases for call in case.calls)
        return cls(
            LinearClassifier.fit(zip(requests, intents, strict=True), _COMPACT_STRENGTH, _SEEN),
            SlotTagger.fit(calls, seen=_SEEN),
        )

    def intents(self, text: str) -> Chances:
        """The probability of each intent; empty where no case was seen."""
        return self._intents.chances(_words_and_pairs(text))

    def spans(self, tool: str, text: str, arguments: Collection[str]) -> dict[str, Span]:
        """Argument -> where its value seems to stand, the first place of several."""
        return dict(reversed(list(spans(self._tagger.read(tool, text, arguments)))))

    def state(self) -> list[Any]:
        """The model as JSON has it."""
        return [self._intents.state(), self._tagger.classifier.state()]

    @classmethod
    def from_state(cls, intents: list[Any], slots: list[Any]) -> Self:
        """What `state` gave, read back from JSON."""
        return cls(LinearClassifier.from_state(*intents), SlotTagger(LinearClassifier.from_state(*slots)))


def doubtful(trusted: Sequence[Example]) -> set[str]:
    """Ids of trusted cases whose tools an intent classifier trained on the others denies.

    In three folds: the case's own tools get less than 15 %, other tools more than 60 %.
    """
    cases = [case for case in trusted if tokens(case.request)]
    if len(cases) < 4 * _FOLDS:
        return set()
    found = set()
    for fold in range(_FOLDS):
        intents = _fit_intents([case for place, case in enumerate(cases) if place % _FOLDS != fold])
        held = cases[fold::_FOLDS]
        for case, chances in zip(held, intents([case.request for case in held]), strict=True):
            own = chances.get(tools_key(case))
            if own is not None and own < _DENIED and max(chances.values()) > _OTHERWISE:
                found.add(case.id)
    return found


def _fit_intents(cases: Sequence[Case]) -> Callable[[Sequence[str]], list[Chances]]:
    """Texts -> the probability of each `tools_key` for each of them, by their words and letters."""
    labels = [tools_key(case) for case in cases]
    if len(set(labels)) < 2:
        return lambda texts: [dict.fromkeys(labels, 1.0) for _ in texts]
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    text = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, tokenizer=_words, token_pattern=None),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True),
    )
    model = make_pipeline(text, LogisticRegression(C=_STRENGTH, max_iter=400, random_state=0))
    model.fit([case.request for case in cases], labels)

    def read(texts: Sequence[str]) -> list[Chances]:
        table = model.predict_proba(list(texts)).tolist()
        return [dict(zip(map(str, model.classes_), row, strict=True)) for row in table]

    return read


def _words(text: str) -> list[str]:
    return [word for word, _, _ in tokens(text)]


def _words_and_pairs(text: str) -> list[str]:
    words = _words(text)
    return [*words, *(f"{left} {right}" for left, right in pairwise(["<", *words, ">"]))]

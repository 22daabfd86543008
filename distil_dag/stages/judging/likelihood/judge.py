"""The judge for small teachers: how likely a call is, by the log itself and by the model.

A small model can't rate an answer, but it can say how probable it is, and a log says even more
about itself. Evidence of both kinds (`features`, `model_scores`) is weighed by what tells
the log's calls from corruptions (`corruptions`, `pu_learning`), so the judge
needs no label and fits itself to any log. The model is asked where the log leaves doubt.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distil_dag.core.case import Trace
from distil_dag.core.normalise import Normaliser
from distil_dag.core.tool_call import NO_CALL, Calls, calls_key
from distil_dag.core.toolset import Toolset
from distil_dag.stages.judging.likelihood.corruptions import Corruptor
from distil_dag.stages.judging.likelihood.features import FEATURES, Evidence
from distil_dag.stages.judging.likelihood.model_scores import Item, ModelScorer
from distil_dag.stages.judging.likelihood.neighbours import Requests
from distil_dag.stages.judging.likelihood.pu_learning import Addition, Calibration, addition, calibrate
from distil_dag.stages.judging.port import Judgement, OnJudgement, ignore
from distil_dag.stages.ports import ChatModel, Progress, quiet
from distil_dag.stages.prompting.prompt_files import PromptName, digests
from distil_dag.stages.splitting.stratified import pattern
from distil_dag.stages.statistics import Floats

METHOD = "likelihood-4"

# Below this many traces there is no log to speak of.
_FEWEST = 8
_ROUNDS = 2
_FAULTS_EACH = 3
_MOST_FAULTS = 6000
# Traces and corruptions that the model scores: the most doubtful ones, by log odds of the log's evidence.
_SCORED_TRACES, _SCORED_CORRUPTIONS = 48, 32
_DOUBT = 3.0
# A score of 0.5 rejects this share of our own corruptions, whose best are as good as real ones: a seed
# is worth more than a lost trace. Even odds at least, and never more than e to the second power.
_REJECTED, _STRICTEST = 0.95, 2.0
# Of so many traces a log says what is unusual; one of twenty cannot, and would lose half of its right calls.
# The threshold falls by the cube of this over the number of traces: 8 nats there, 0.13 at eighty.
_TELLING = 40.0
_LEAST_WEIGHT = 0.02

_GROUPS = {
    "another tool is likelier": (
        "read_tool", "read_margin", "tool", "tool_margin", "weakest_tool", "missing_tool",
    ),
    "an argument seems to be missing": ("missing_argument", "outside", "known_value_left_out"),
    "a value does not fit the words": (
        "weakest_argument", "inside", "values_not_in_words", "weakest_value", "value_words_found",
        "value_belongs",
    ),
    "unusual arguments for such a request": ("pattern", "words", "calls", "arguments"),
    "the same request was answered otherwise": ("same_request",),
}  # fmt: skip
_MODEL_REASON = "the model finds the call unlikely"


@dataclass(frozen=True)
class _Contrast:
    """The log's calls beside corruptions made of them: features of both, and how far each call is trusted."""

    corruptions: list[Item]
    logged: Floats
    corrupted: Floats
    trust: Floats


class LikelihoodJudge:
    """Fitted to a log; scores calls for its requests.

    A score of 0.5 or more says that a call looks better than nearly all corruptions do, or
    that the log is too small to tell.
    """

    prompts: tuple[PromptName, ...] = ("likelihood_judge",)

    def __init__(
        self,
        traces: Sequence[Trace],
        toolset: Toolset,
        model: ChatModel,
        normaliser: Normaliser,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> None:
        self.identity = f"{METHOD} prompt {digests(*self.prompts)['likelihood_judge']} {model.identity}"
        self._places = {trace.id: n for n, trace in enumerate(traces)}
        self._known: dict[tuple[int, str], tuple[float, float]] = {}
        self._hearing: Addition | None = None
        self._calibration: Calibration | None = None
        if len(traces) < _FEWEST:
            return
        self._toolset, self._seed = toolset, seed
        self._requests = Requests(traces, toolset, normaliser)
        self._own: list[Item] = [(n, trace.calls) for n, trace in enumerate(traces)]
        trust = np.ones(len(traces))
        contrast: _Contrast | None = None
        for attempt in range(_ROUNDS):
            progress(attempt, _ROUNDS + 1, "reading the log")
            self._evidence = Evidence(self._requests, trust)
            contrast = self._contrast(trust)
            if contrast is None:
                return
            trust = contrast.trust
        assert contrast is not None
        progress(_ROUNDS, _ROUNDS + 1, "scoring by the model")
        self._scorer = ModelScorer(self._requests, self._evidence, trust, toolset, model)
        self._settle(contrast, progress)

    def assess(
        self, items: Sequence[tuple[Trace, Calls]], on_result: OnJudgement = ignore
    ) -> list[Judgement]:
        """A judgement an item; each trace must be one of the log that the judge was fitted to."""
        if self._calibration is None:
            text = f"fewer than {_FEWEST} traces that can be judged, or none that can be told from others"
            small = [Judgement(None, "the log is too small to judge by", text) for _ in items]
            for judgement in small:
                on_result(judgement)
            return small
        places: list[Item] = [(self._places[trace.id], calls) for trace, calls in items]
        features = self._features(places)
        folds = self._folds(places)
        odds = self._calibration.odds(features, folds)
        with_model = self._hear(places, odds)
        found = []
        for n, (item, row, log_odds) in enumerate(zip(places, features, odds, strict=True)):
            own = with_model.get(n)
            final = float(own[0] if own else log_odds)
            score = float(1 / (1 + np.exp(self._threshold - final)))
            reason, explanation = self._why(item, row, int(folds[n]), float(log_odds), final)
            details: dict[str, float | str] = {
                name: round(float(value), 3) for name, value in zip(FEATURES, row, strict=True)
            }
            details["log_evidence"] = round(float(log_odds), 3)
            if own:
                details |= {"with_model": round(own[0], 3), "model_contrast": round(own[1], 3)}
            found.append(Judgement(round(score, 6), reason, explanation, details))
            on_result(found[-1])
        return found

    def again(self) -> tuple[LikelihoodJudge, str]:
        """The judge weighed anew against other corruptions, the one thing in it that is drawn at random.

        Its model is deterministic: asked the same, it says the same. A log too small to judge by
        stays so.
        """
        how = "weighed again against other corruptions"
        if self._calibration is None:
            return self, how
        other = copy(self)
        other._seed, other._hearing, other._known = self._seed + 1, None, {}
        contrast = other._contrast(self._trust)
        if contrast is None:
            return self, how
        other._settle(contrast, quiet)
        return other, how

    def _contrast(self, trust: Floats) -> _Contrast | None:
        """Calibrate the log's calls against corruptions of the trusted ones; None where none can be made."""
        corruptions = self._make_corruptions(trust)
        if len(corruptions) < 2:
            self._calibration = None
            return None
        logged, corrupted = self._features(self._own), self._features(corruptions)
        self._calibration, right = calibrate(
            logged, corrupted, self._folds(self._own), self._folds(corruptions)
        )
        return _Contrast(corruptions, logged, corrupted, np.clip(right, _LEAST_WEIGHT, 1.0))

    def _settle(self, contrast: _Contrast, progress: Progress) -> None:
        """Fix the threshold, what is usual, and how much the model's word weighs."""
        assert self._calibration is not None
        odds = self._calibration.odds(contrast.corrupted, self._folds(contrast.corruptions))
        strict = float(np.clip(np.quantile(odds, _REJECTED), 0.0, _STRICTEST))
        self._threshold = strict - (_TELLING / len(self._own)) ** 3
        self._trust = contrast.trust
        self._usual = np.average(contrast.logged, axis=0, weights=contrast.trust)
        self._score_doubtful(contrast, progress)

    def _features(self, items: Sequence[Item]) -> Floats:
        return np.array([self._evidence.features(n, calls) for n, calls in items], dtype=np.float64)

    def _folds(self, items: Sequence[Item]) -> NDArray[np.int64]:
        return self._requests.folds[[n for n, _ in items]]

    def _make_corruptions(self, trust: Floats) -> list[Item]:
        """Corruptions of the trusted traces: a corruption of a corruption is too plain."""
        traces = self._requests.traces
        maker = Corruptor(self._toolset, self._evidence.values(), [trace.calls for trace in traces])
        trusted = [n for n in range(len(traces)) if trust[n] > 0.5] or list(range(len(traces)))
        step = max(1, len(trusted) * _FAULTS_EACH // _MOST_FAULTS)
        corruptions = []
        for n in trusted[::step]:
            # A stream for each trace: another row in the log changes no other row's corruptions.
            rng = random.Random(f"{self._seed}:{traces[n].id}")
            found = [maker.corrupt(rng, traces[n].calls) for _ in range(_FAULTS_EACH)]
            corruptions += [(n, calls) for calls in found if calls is not None]
        return corruptions

    def _score_doubtful(self, contrast: _Contrast, progress: Progress) -> None:
        """Learn how much the model's word weighs; nothing where it does not tell corruptions better."""
        assert self._calibration is not None
        odds_of_calls = self._calibration.odds(contrast.logged, self._folds(self._own))
        odds_of_corruptions = self._calibration.odds(contrast.corrupted, self._folds(contrast.corruptions))
        calls = _doubtful(self._own, odds_of_calls, _SCORED_TRACES)
        wrong = _doubtful(contrast.corruptions, odds_of_corruptions, _SCORED_CORRUPTIONS)
        if len(calls) < 2 * _FEWEST or len(wrong) < _FEWEST:
            return
        items = [item for item, _ in calls + wrong]
        odds = np.array([value for _, value in calls + wrong])
        on_result = self._scorer.contrast(items, progress)
        self._known = {
            (n, calls_key(said)): (float(row[0]), float(row[1]))
            for (n, said), row in zip(items[: len(calls)], on_result, strict=False)
        }
        logged_ones = np.arange(len(items)) < len(calls)
        self._hearing = addition(odds, on_result, logged_ones, contrast.trust[[n for n, _ in items]])

    def _hear(self, items: Sequence[Item], odds: Floats) -> dict[int, tuple[float, float]]:
        """Position -> log odds with the model's word and its contrast, for doubtful items."""
        if self._hearing is None:
            return {}
        known = {n: self._known.get((item[0], calls_key(item[1]))) for n, item in enumerate(items)}
        places = [n for n, values in known.items() if values is not None]
        if not places:
            return {}
        added = self._hearing.odds(np.array([known[n] for n in places]))
        return {
            n: (float(odds[n] + more), known[n][0])  # type: ignore[index]
            for n, more in zip(places, added, strict=True)
        }

    def _why(self, item: Item, row: Floats, fold: int, by_log: float, final: float) -> tuple[str, str]:
        """The reason that weighs most against the calls, and what can be said about it."""
        assert self._calibration is not None
        n, calls = item
        if by_log >= 0 > final:
            return (
                _MODEL_REASON,
                f"behind examples of the log the model prefers another call to {pattern(calls)}",
            )
        parts = self._calibration.contributions(np.vstack([row, self._usual]), fold)
        loss = dict(zip(FEATURES, parts[0] - parts[1], strict=True))
        totals = {reason: sum(loss[name] for name in names) for reason, names in _GROUPS.items()}
        reason = min(totals, key=lambda name: (totals[name], name))
        likely = self._evidence.likeliest(n)
        said = ", ".join(f"{name or NO_CALL} {chance:.2f}" for name, chance in likely)
        return reason, f"logged {pattern(calls)}; similar requests of the log: {said}"


def _doubtful(items: Sequence[Item], odds: Floats, most: int) -> list[tuple[Item, float]]:
    order = sorted(range(len(items)), key=lambda n: (abs(odds[n]), n))
    return [(items[n], float(odds[n])) for n in order[:most] if abs(odds[n]) < _DOUBT]

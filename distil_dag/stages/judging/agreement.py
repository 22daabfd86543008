"""How far a judge can be trusted: against labels that people gave, and against itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from distil_dag.core.verdict import Verdict
from distil_dag.stages.judging.port import Judgement
from distil_dag.stages.statistics import area_interval, auroc, wilson

_DRAWS = 1000
_CONFIDENCE = 0.95
_TAIL = (1 - _CONFIDENCE) / 2
# Jeffreys' prior of the four shares: the interval keeps a width where few labels all agree.
_PRIOR = 0.5


def agreement(verdicts: Sequence[Verdict], labels: Mapping[str, bool], seed: int = 0) -> dict[str, float]:
    """Agreement of verdicts with labels.

    A rejected verdict says that the logged calls are wrong, and so does a relabelled one. Unjudged traces are
    left out and counted. Cohen's kappa (1960) has an interval from the posterior of the two-by-two table;
    that of `auc` is Newcombe's score interval, those of all shares are Wilson's.

    Args:
        verdicts: the verdicts.
        labels: trace id -> whether its logged calls are right. A trace of several turns may be labelled by
            the id of its row.
        seed: of the draws from the posterior.

    Returns:
        `n`, `wrong` and `unjudged` are numbers of traces. Each of the others also has its 95 % interval, as
        `_low` and `_high`: `agreement` and `kappa` of verdicts with labels, `precision` and `recall` of
        finding wrong calls, `purity` (the share of right ones among those that passed), and `auc` of the
        scores. Empty without labels of both kinds.
    """
    known = [(v, labels.get(v.trace_id, labels.get(v.trace_id.split("#")[0]))) for v in verdicts]
    judged = [(v, right) for v, right in known if right is not None and v.outcome != "unjudged"]
    wrong = np.array([not right for _, right in judged], dtype=bool)
    if not wrong.any() or wrong.all():
        return {}
    rejected = np.array([v.outcome == "rejected" or v.relabelled_from is not None for v, _ in judged])
    scores = np.array([_logged_score(v) for v, _ in judged])
    auc = area_interval(auroc(scores, ~wrong), int((~wrong).sum()), int(wrong.sum()), _CONFIDENCE)
    table = np.array(
        [(a & b).sum() for a in (rejected, ~rejected) for b in (wrong, ~wrong)], dtype=np.float64
    )
    kappa = float(_kappa(table[None, :] / len(wrong))[0])
    kappas = _kappa(np.random.default_rng(seed).dirichlet(table + _PRIOR, size=_DRAWS))
    both, only_rejected, only_wrong, neither = (int(count) for count in table)
    return {
        "n": float(len(wrong)),
        "wrong": float(wrong.sum()),
        "unjudged": float(sum(right is not None and v.outcome == "unjudged" for v, right in known)),
        **_share("agreement", both + neither, len(wrong)),
        "kappa": kappa,
        # No draw reaches 1, where all agree: there the estimate is the end, as Brown, Cai and DasGupta
        # (Stat. Sci. 16 (2001) 101-133) end Jeffreys' interval of a share.
        "kappa_low": min(kappa, float(np.quantile(kappas, _TAIL))),
        "kappa_high": max(kappa, float(np.quantile(kappas, 1 - _TAIL))),
        **_share("precision", both, both + only_rejected),
        **_share("recall", both, both + only_wrong),
        **_share("purity", neither, neither + only_wrong),
        "auc": auc.value,
        "auc_low": auc.low,
        "auc_high": auc.high,
    }


def consistency(first: Sequence[Judgement], again: Sequence[Judgement], min_score: float) -> dict[str, float]:
    """Agreement of two judgements of the same calls.

    Args:
        first: the judgements of some calls.
        again: further judgements of the same calls, in the same order.
        min_score: the score from which a judgement passes.

    Returns:
        `n`, the share of equal outcomes as `agreement` with its 95 % interval (`_low`, `_high`), and the
        `mean_difference` of scores. A judgement without a score agrees with no other. Empty without any.
    """
    if not first:
        return {}
    pairs = [
        (one.score, two.score)
        for one, two in zip(first, again, strict=True)
        if one.score is not None and two.score is not None
    ]
    same = sum((one >= min_score) == (two >= min_score) for one, two in pairs)
    return {
        "n": float(len(first)),
        **_share("agreement", same, len(first)),
        "mean_difference": sum(abs(one - two) for one, two in pairs) / max(1, len(pairs)),
    }


def _share(name: str, hits: int, of: int) -> dict[str, float]:
    found = wilson(hits, of, _CONFIDENCE)
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _kappa(tables: np.ndarray) -> np.ndarray:
    """Cohen's kappa of two-by-two tables of shares, a row each: both, only one, only the other, neither."""
    both, first, second, neither = tables.T
    by_chance = (both + first) * (both + second) + (second + neither) * (first + neither)
    beyond: np.ndarray = (both + neither - by_chance) / np.maximum(1 - by_chance, 1e-12)
    return beyond


def _logged_score(verdict: Verdict) -> float:
    """The score of the logged calls, 0 where validity alone rejected them."""
    if verdict.relabelled_from is not None:
        return float(verdict.details.get("logged_score", 0.0))
    return verdict.score or 0.0

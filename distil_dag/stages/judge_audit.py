"""How well a judge finds wrong calls, where some are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from distil_dag.core.verdict import Verdict
from distil_dag.stages.judge_calibration import area

_BOOTSTRAP = 1000
_CONFIDENCE = 0.95


def audit(verdicts: Sequence[Verdict], labels: Mapping[str, bool], seed: int = 0) -> dict[str, float]:
    """Precision, recall and area under the curve of finding wrong calls; empty without both kinds.

    `labels` maps a trace id to whether its logged calls are right; a trace of several turns may
    be labelled by the id of its row. A rejected verdict says wrong; the area takes the scores, and
    its interval is a 95 % bootstrap over traces. Unjudged traces are left out and counted. A
    relabelled verdict counts as a rejection of the logged calls.
    """
    known = [(v, labels.get(v.trace_id, labels.get(v.trace_id.split("#")[0]))) for v in verdicts]
    judged = [(v, right) for v, right in known if right is not None and v.outcome != "unjudged"]
    wrong = np.array([not right for _, right in judged], dtype=bool)
    if not wrong.any() or wrong.all():
        return {}
    rejected = np.array([v.outcome == "rejected" or v.relabelled_from is not None for v, _ in judged])
    scores = np.array([_logged_score(v) for v, _ in judged])
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(wrong), size=(_BOOTSTRAP, len(wrong)))
    areas = [area(scores[rows], wrong[rows]) for rows in draws if wrong[rows].any() and not wrong[rows].all()]
    tail = (1 - _CONFIDENCE) / 2
    hits = int((rejected & wrong).sum())
    return {
        "n": float(len(wrong)),
        "wrong": float(wrong.sum()),
        "unjudged": float(sum(right is not None and v.outcome == "unjudged" for v, right in known)),
        "precision": hits / max(1, int(rejected.sum())),
        "recall": hits / int(wrong.sum()),
        "purity": float((~wrong & ~rejected).sum() / max(1, int((~rejected).sum()))),
        "auc": area(scores, wrong),
        "auc_low": float(np.quantile(areas, tail)),
        "auc_high": float(np.quantile(areas, 1 - tail)),
    }


def _logged_score(verdict: Verdict) -> float:
    """The score of the logged calls, 0 where validity alone rejected them."""
    if verdict.relabelled_from is not None:
        return float(verdict.details.get("logged_score", 0.0))
    return verdict.score or 0.0

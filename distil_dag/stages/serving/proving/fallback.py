"""Many claims tested in an order, with one probability of claiming too much for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def levels(log_evidence: Sequence[float], alphas: Sequence[float]) -> list[float]:
    """At which level each of some ordered claims is shown (fallback procedure).

    A claim is shown when its evidence reaches one over its level. Its level is its own part of alpha, and
    that of the claim before it if that one was shown. Whatever is true, the probability that a false claim is
    shown is the sum of the parts at most; with evidence of e-processes, that it ever is.

    With all of alpha at the first claim this is testing in a fixed sequence. Further starts let a lax claim
    with much evidence be shown where a strict one has little.

    Source: B. L. Wiens and A. Dmitrienko, "The fallback procedure for evaluating a single family of
    hypotheses", J. Biopharm. Stat. 15 (2005) 929-942; P. Bauer, "Multiple testing in clinical trials", Stat.
    Med. 10 (1991) 871-890 (fixed sequence).

    Args:
        log_evidence: natural log of each claim's e-value, or of one over its p-value.
        alphas: each claim's own part of alpha; 0 for a claim that can only follow another.

    Returns:
        For each claim its level, 0 where it is not shown.
    """
    found, level = [], 0.0
    for evidence, own in zip(log_evidence, alphas, strict=True):
        level += own
        # In logs no evidence, however large, overflows.
        if level <= 0 or evidence < -math.log(level):
            level = 0.0
        found.append(level)
    return found

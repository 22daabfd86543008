"""Claims in an order: what each part of alpha may show."""

from __future__ import annotations

import math

import numpy as np

from distil_dag.stages.serving.proving.fallback import levels


def test_what_is_shown_hands_its_level_on() -> None:
    strong, weak = math.log(100), math.log(25)
    # 1 / 0.04 = 25: the second claim is shown by what the first hands on alone.
    assert levels([strong, weak, 0.0], [0.04, 0.0, 0.01]) == [0.04, 0.04, 0.0]
    assert levels([0.0, weak, strong], [0.04, 0.0, 0.01]) == [0.0, 0.0, 0.01]
    assert levels([math.inf, -math.inf], [0.05, 0.0]) == [0.05, 0.0]


def test_a_false_claim_is_shown_as_seldom_as_promised() -> None:
    """Three true claims without evidence against them, and false ones between."""
    random = np.random.default_rng(0)
    wrong = 0
    for _ in range(4000):
        evidence = -np.log(random.random(5))
        evidence[[0, 2]] = 50.0
        found = levels(evidence.tolist(), [0.02, 0.0, 0.03, 0.0, 0.05])
        wrong += any(found[place] for place in (1, 3, 4))
    assert 0.05 < wrong / 4000 <= 0.11

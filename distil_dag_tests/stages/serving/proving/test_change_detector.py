"""Alarms: seldom by mistake, soon when there is reason."""

from __future__ import annotations

import numpy as np
import pytest

from distil_dag.stages.serving.proving.change_detector import ChangeDetector


def first_alarm(detector: ChangeDetector, wrong: float, seed: int, longest: int = 20_000) -> int:
    draws = np.random.default_rng(seed).random(longest) >= wrong
    for number, agreed in enumerate(draws.tolist(), 1):
        detector = detector.after(agreed)
        if detector.alarm:
            return number
    return longest


def test_alarms_by_mistake_are_as_rare_as_stated() -> None:
    """At the allowed share itself, where they are most frequent."""
    found = [first_alarm(ChangeDetector(0.05, 200), 0.05, seed, 5000) for seed in range(60)]
    assert np.mean(found) > 200
    assert np.mean([first_alarm(ChangeDetector(0.05, 200), 0.01, seed, 5000) for seed in range(10)]) > 2500


@pytest.mark.parametrize(("wrong", "within"), [(1.0, 4), (0.5, 12), (0.2, 45)])
def test_alarms_come_soon_after_a_change(wrong: float, within: int) -> None:
    found = [first_alarm(ChangeDetector(0.02, 1000), wrong, seed) for seed in range(60)]
    assert np.mean(found) <= within

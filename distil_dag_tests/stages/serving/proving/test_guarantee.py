"""What calibration rows guarantee at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from distil_dag.core.reports.evidence import ConfidenceReport
from distil_dag.stages.serving.proving.guarantee import guarantee


def drawn(count: int, seed: int) -> list[tuple[float, bool]]:
    """Rows of which the surest share `c` is right with a probability of `1 - c ** 2 / 6`."""
    random = np.random.default_rng(seed)
    scores = random.random(count)
    rates = 1 - (1 - scores) ** 2 / 2
    return list(zip(scores.tolist(), (random.random(count) < rates).tolist(), strict=True))


def test_the_bound_is_clopper_and_pearsons() -> None:
    """Equal scores make one test of all rows."""
    for wrong in (0, 1, 2):
        rows = [(0.5, place >= wrong) for place in range(100)]
        low = beta.ppf(0.05, 100 - wrong, wrong + 1)
        assert guarantee(rows, low - 1e-6).kept == 100
        assert guarantee(rows, low + 1e-6).kept == 0


@pytest.mark.parametrize(("rows", "target"), [(64, 0.98), (0, 0.98), (58, 0.95)])
def test_too_few_rows_guarantee_nothing(rows: int, target: float) -> None:
    found = guarantee([(float(place), True) for place in range(rows)], target)
    assert (found.kept, found.threshold, found.coverage) == (0, None, 0.0)
    assert found.point_coverage == (1.0 if rows else 0.0)


def test_more_rows_that_go_on_alike_bring_what_was_said() -> None:
    found = guarantee([(float(place), True) for place in range(64)], 0.98)
    # 149 right answers without a mistake show 98 %: all of 149 rows, or half of 298.
    told = {step.coverage: step.rows for step in found.more}
    assert told[1.0] == 149 - 64
    assert told[0.5] == 297 - 64
    rows = [(float(place), place >= 200) for place in range(400)]
    known = guarantee(rows, 0.95)
    assert 0.4 < known.coverage < 0.53
    assert [step.rows for step in known.more if step.coverage >= 0.6] == [None] * 5


def test_the_promise_is_broken_as_seldom_as_promised() -> None:
    found = [guarantee(drawn(600, seed), 0.95) for seed in range(400)]
    broken = [row for row in found if row.threshold is not None and 1 - (1 - row.threshold) ** 2 / 6 < 0.95]
    assert len(broken) / len(found) <= 0.05
    # A threshold without a guarantee breaks it in about half of all draws.
    points = [row for row in found if 1 - row.point_coverage**2 / 6 < 0.95]
    assert len(points) / len(found) > 0.3
    assert np.mean([row.coverage for row in found]) > 0.25


def test_equal_scores_are_kept_together_or_not_at_all() -> None:
    rows = [(1.0, True)] * 100 + [(0.0, True)] * 30 + [(0.0, False)] * 30
    found = guarantee(rows, 0.95)
    assert (found.kept, found.right) == (100, 100)
    assert found.threshold is not None
    assert 0 < found.threshold < 1e-300


def test_what_was_cut_off_is_never_kept_before_the_rest() -> None:
    found = guarantee([(float("-inf"), False)] * 40 + [(-1.0, True)] * 60, 0.95)
    assert (found.rows, found.kept, found.coverage) == (100, 60, 0.6)


def test_reports_of_before_can_be_read() -> None:
    assert (
        ConfidenceReport.model_validate({"candidate": "s", "n": 0, "auroc": None, "curve": []}).guarantee
        is None
    )

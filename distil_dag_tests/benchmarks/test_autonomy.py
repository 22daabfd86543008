"""The replay of stored answers: what it reads, and that it can tell a broken promise."""

from __future__ import annotations

import json
from pathlib import Path

import autonomy
import pandas as pd
import pytest


def stored(folder: Path) -> Path:
    rows = [
        {
            "candidate": candidate,
            "probability": None if candidate == "base" else 1 - place / 100,
            "exact": place < 70 or place % 2 == 0,
            "expected": json.dumps(
                [{"name": "on" if place % 3 else "off", "arguments": {}}] if place else []
            ),
        }
        for candidate in ("base", "student")
        for place in range(100)
    ]
    (folder / "eval_report").mkdir()
    pd.DataFrame(rows).to_parquet(folder / "eval_report" / "answers.parquet")
    return folder


def test_a_world_is_what_a_run_has_stored(tmp_path: Path) -> None:
    world = autonomy.answers_of(stored(tmp_path))
    assert len(world) == 100
    assert {row.tool for row in world} == {"", "on", "off"}
    assert autonomy.best_coverage(world, 0.99) == 0.71
    assert autonomy.true_share(world, world[69].score) == 1.0


def test_the_point_rule_breaks_a_promise_and_earned_autonomy_gives_back(tmp_path: Path) -> None:
    world = autonomy.answers_of(stored(tmp_path))
    found = autonomy.steady(world, 0.95, replays=4, rows=40)
    assert found["promise_broken_by_point_rule"]["value"] > 0
    assert found["coverage_after"][3000] > 0.4
    drift = autonomy.drifting(world, autonomy.other_teacher(world), 0.95, replays=2, rows=40)
    assert drift["wrong_answers_passed"]["mean"] < drift["wrong_answers_passed_if_kept"]["mean"] / 10


def test_a_run_without_probabilities_can_not_be_replayed(tmp_path: Path) -> None:
    path = stored(tmp_path) / "eval_report" / "answers.parquet"
    rows = pd.read_parquet(path)
    rows[rows.candidate == "base"].to_parquet(path)
    with pytest.raises(SystemExit, match="nothing can be replayed"):
        autonomy.answers_of(tmp_path)

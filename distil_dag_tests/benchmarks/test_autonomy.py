"""The replay of stored answers: what it reads, and that it can tell a broken promise."""

from __future__ import annotations

import json
from pathlib import Path

import autonomy
import autonomy_worlds as worlds
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
    world = worlds.answers_of(stored(tmp_path))
    assert len(world) == 100
    assert {row.tool for row in world} == {"", "on", "off"}
    assert worlds.best_coverage(world, 0.99) == 0.71
    assert worlds.true_share(world, world[69].score) == 1.0


def test_the_point_rule_breaks_a_promise_and_earned_autonomy_gives_back(tmp_path: Path) -> None:
    world = worlds.answers_of(stored(tmp_path))
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
        worlds.answers_of(tmp_path)


def test_a_split_of_massive_is_a_world(tmp_path: Path) -> None:
    told = '<tool_call>{"name":"on","arguments":{}}</tool_call>'
    answers = [
        {"expected": told, "exact": True, "logprob": -0.1},
        {"expected": "", "exact": False, "logprob": None},
    ]
    path = tmp_path / "clean-0-chain-0.json"
    path.write_text(json.dumps({"answers": {"Q8_0, decoder": answers}}))
    assert [(row.right, row.tool) for row in worlds.massive_answers(path)] == [(True, "on"), (False, "")]
    assert worlds.massive_answers(path)[1].score < -20
    path.write_text(json.dumps({"answers": {"lookup": answers}}))
    with pytest.raises(SystemExit, match="no answers by the decoder"):
        worlds.massive_answers(path)


def test_fresh_requests_of_the_demo_are_not_in_its_log() -> None:
    found = worlds.fresh_requests(300)
    assert len({case.request for case in found}) == 300
    assert 0.03 < sum(not case.calls for case in found) / 300 < 0.25
    tested = Path(worlds.__file__).parents[1] / "examples" / "smart_home" / "test.jsonl"
    asked = {json.loads(line)["messages"][0]["content"] for line in tested.read_text().splitlines()}
    assert not asked & {case.request for case in found}


def test_weights_prove_with_fewer_requests_than_thinning() -> None:
    found = autonomy.weighted_against_thinned(seeds=2)["1 % disagree"]
    assert found["everything seen"] < found["weights"] < found["thinning"]

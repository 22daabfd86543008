"""Earned autonomy on replayed answers: is the promise kept, how much is sent alone, what passes in a drift?

    python benchmarks/autonomy.py --run STORE/RUN [--run STORE/RUN ...] [--replays 100] [--target 0.95 0.98]

A run's stored answers to its test (probability, right or not, the tool that was wanted) are the world.
Requests are drawn from them with replacement, so the true share of right answers at every threshold is known.
Each replay draws calibration rows, then traffic, and answers it as a server does. Beside earned autonomy
stands the point rule: the threshold at which the calibration rows just reach the target, kept for good.

The promise is broken in a replay if at any moment the threshold in use had a true share below the target. In
a further series the world drifts after 3,000 requests, for as many more: one tool is renamed, the worse half
of the tools makes up the traffic, or another teacher disagrees on every other request. Counted are the wrong
answers that are sent alone, and those that would be at the same threshold, had it been kept. `--weights`
compares thinning with weighted evidence. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from distil_dag.stages.evaluating.calibration import calibrated
from distil_dag.stages.serving.autonomy import Autonomy
from distil_dag.stages.serving.proving.confidence_sequence import lower_bound, weighted_lower_bound
from distil_dag.stages.serving.standing import Identity
from distil_dag.stages.statistics import wilson

_LOOKS = (100, 300, 1000, 3000)
_LEAST = 1e-12


@dataclass(frozen=True)
class Row:
    """One stored answer: natural log of its probability, whether it is right, the tool that was wanted."""

    score: float
    right: bool
    tool: str


World = Sequence[Row]


def main() -> None:
    """Replay, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, action="append", required=True, help="folder of a run in a store")
    parser.add_argument("--replays", type=int, default=100)
    parser.add_argument("--target", type=float, nargs="+", default=[0.95, 0.98])
    parser.add_argument("--rows", type=int, default=64, help="calibration rows of each replay")
    parser.add_argument("--weights", action="store_true")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for run in options.run:
        world = answers_of(run)
        for target in options.target:
            found[f"{run.name} at {target:g}"] = {
                "answers": len(world),
                "right": round(sum(row.right for row in world) / len(world), 3),
                "best_coverage": best_coverage(world, target),
                "steady": steady(world, target, options.replays, options.rows),
                "drift": {
                    name: drifting(world, change(world), target, options.replays, options.rows)
                    for name, change in DRIFTS.items()
                },
            }
    if options.weights:
        found["requests until 98 % are proved, 2 % of sure answers audited"] = weighted_against_thinned()
    print(json.dumps(found, indent=2))


def answers_of(run: Path) -> World:
    """The answers of the run's first candidate that says how probable they are."""
    rows = pd.read_parquet(run / "eval_report" / "answers.parquet")
    known = rows[rows.probability.notna()]
    if known.empty:
        raise SystemExit(f"no candidate of {run} says how probable its answers are: nothing can be replayed")
    known = known[known.candidate == known.candidate.iloc[0]]
    return [
        Row(math.log(max(row.probability, _LEAST)), bool(row.exact), tool_of(row.expected))
        for row in known.itertuples()
    ]


def tool_of(expected: str) -> str:
    """The first tool that the label calls; empty for no call."""
    calls = json.loads(expected)
    return str(calls[0]["name"]) if calls else ""


def true_share(world: World, threshold: float) -> float:
    """Share of right answers at a threshold or above."""
    kept = [row.right for row in world if row.score >= threshold]
    return sum(kept) / len(kept) if kept else 1.0


def coverage(world: World, threshold: float | None) -> float:
    """Share of requests at a threshold or above."""
    return 0.0 if threshold is None else sum(row.score >= threshold for row in world) / len(world)


def best_coverage(world: World, target: float) -> float:
    """What someone who knows the truth would answer alone."""
    fit = [row.score for row in world if true_share(world, row.score) >= target]
    return round(max((coverage(world, score) for score in fit), default=0.0), 3)


@dataclass
class Replay:
    """One stream of requests, answered by earned autonomy and by the point rule.

    Attributes:
        alone: number of answers sent alone.
        wrong: of those, the wrong ones.
        point_wrong: the same for the point rule.
        audits: answers sent alone for which the teacher was asked too.
    """

    subject: Autonomy
    point: float | None
    draw: random.Random
    alone: int = 0
    wrong: int = 0
    point_wrong: int = 0
    audits: int = 0

    @classmethod
    def begun(cls, world: World, target: float, rows: int, seed: int) -> Replay:
        """With calibration rows of its own."""
        draw = random.Random(seed)
        drawn = draw.choices(world, k=rows)
        scored = [(row.score, row.right) for row in drawn]
        scores, right = zip(*scored, strict=True)
        point = calibrated(scores, right, target).threshold
        return cls(Autonomy(Identity("", "", "", target), scored, draw=draw.random), point, draw)

    def request(self, world: World) -> None:
        """Answer one more."""
        row = self.draw.choice(world)
        decision = self.subject.decide(row.score)
        self.alone += decision.alone
        self.wrong += decision.alone and not row.right
        self.audits += decision.audit
        self.point_wrong += self.point is not None and row.score >= self.point and not row.right
        if not decision.alone or decision.audit:
            self.subject.learn(row.score, row.right, decision.alone, decision.counts)


def steady(world: World, target: float, replays: int, rows: int) -> dict[str, Any]:
    """Replays of a world that stays as it is."""
    reached: dict[int, list[float]] = {look: [] for look in _LOOKS}
    broken, audits, point_broken, points = 0, list[float](), 0, list[float]()
    for seed in range(replays):
        replay = Replay.begun(world, target, rows, seed)
        used: set[float] = set()
        for number in range(1, _LOOKS[-1] + 1):
            replay.request(world)
            threshold = replay.subject.threshold
            if threshold is not None:
                used.add(threshold)
            if number in reached:
                reached[number].append(coverage(world, threshold))
        broken += any(true_share(world, threshold) < target for threshold in used)
        audits.append(replay.audits / max(1, replay.alone))
        points.append(coverage(world, replay.point))
        point_broken += replay.point is not None and true_share(world, replay.point) < target
    return {
        "promise_broken": interval(broken, replays),
        "promise_broken_by_point_rule": interval(point_broken, replays),
        "coverage_after": {look: round(statistics.mean(values), 3) for look, values in reached.items()},
        "coverage_of_point_rule": round(statistics.mean(points), 3),
        "audited_share_of_own_answers": round(statistics.mean(audits), 3),
    }


def renamed(world: World) -> World:
    """The most frequent tool has another name: the teacher calls it by that, the student does not."""
    tool = Counter(row.tool for row in world if row.tool).most_common(1)[0][0]
    return [replace(row, right=row.right and row.tool != tool) for row in world]


def another_mix(world: World) -> World:
    """Only the half of the tools that the student is worse at."""
    shares = {tool: statistics.mean(row.right for row in world if row.tool == tool) for tool in tools(world)}
    worse = sorted(shares, key=lambda tool: shares[tool])[: (len(shares) + 1) // 2]
    return [row for row in world if row.tool in worse]


def other_teacher(world: World) -> World:
    """A teacher that disagrees on every other request, always the same ones."""
    return [replace(row, right=row.right and place % 2 == 0) for place, row in enumerate(world)]


def tools(world: World) -> list[str]:
    """Names of the tools that are wanted."""
    return sorted({row.tool for row in world})


DRIFTS: dict[str, Callable[[World], World]] = {
    "a tool is renamed": renamed,
    "another mix": another_mix,
    "another teacher": other_teacher,
}


def drifting(before: World, after: World, target: float, replays: int, rows: int) -> dict[str, Any]:
    """Replays of a world that changes after 3,000 requests, for as many more."""
    wrong, kept_wrong, point_wrong = list[float](), list[float](), list[float]()
    back, shares = list[float](), list[float]()
    for seed in range(replays):
        replay = Replay.begun(before, target, rows, seed)
        for _ in range(_LOOKS[-1]):
            replay.request(before)
        kept = replay.subject.threshold
        if kept is None:
            continue
        already, point_already, given = replay.wrong, replay.point_wrong, None
        for number in range(1, _LOOKS[-1] + 1):
            replay.request(after)
            if given is None and _threshold(replay.subject) > kept:
                given = number
        wrong.append(replay.wrong - already)
        point_wrong.append(replay.point_wrong - point_already)
        shares.append(1 - true_share(after, kept))
        kept_wrong.append(shares[-1] * coverage(after, kept) * _LOOKS[-1])
        back.append(math.inf if given is None else given)
    if not wrong:
        return {"replays_with_a_threshold": 0}
    return {
        "replays_with_a_threshold": len(wrong),
        "share_wrong_at_that_threshold_then": round(statistics.mean(shares), 3),
        "wrong_answers_passed": spread(wrong),
        "wrong_answers_passed_if_kept": spread(kept_wrong),
        "wrong_answers_passed_by_point_rule": spread(point_wrong),
        "requests_until_some_was_given_back": spread([number for number in back if number < math.inf]),
        "nothing_given_back": sum(number == math.inf for number in back),
    }


def _threshold(subject: Autonomy) -> float:
    return math.inf if subject.threshold is None else subject.threshold


def weighted_against_thinned(seeds: int = 5) -> dict[str, dict[str, int]]:
    """Half of the requests are sure and seldom audited, half are doubtful and always seen."""
    found = {}
    for name, (sure, doubtful) in {"all agree": (1.0, 1.0), "1 % disagree": (0.998, 0.982)}.items():
        thinned, weighted = [], []
        for seed in range(seeds):
            draw = random.Random(seed)
            values, hits, misses = list[float](), 0, 0
            by_thinning = by_weights = 0
            while not (by_thinning and by_weights) and len(values) < 120_000:
                is_sure, drawn = draw.random() < 0.5, draw.random() < 0.02
                wrong = draw.random() >= (sure if is_sure else doubtful)
                values.append(1 - (50 * wrong * drawn if is_sure else wrong))
                hits, misses = hits + (drawn and not wrong), misses + (drawn and wrong)
                if len(values) % 1000 == 0:
                    by_thinning = by_thinning or (len(values) if lower_bound(hits, misses) >= 0.98 else 0)
                    by_weights = by_weights or (
                        len(values) if weighted_lower_bound(values, -49.0) >= 0.98 else 0
                    )
            thinned.append(by_thinning or len(values))
            weighted.append(by_weights or len(values))
        found[name] = {
            "thinning": int(statistics.median(thinned)),
            "weights": int(statistics.median(weighted)),
        }
    return found


def interval(count: int, of: int) -> dict[str, float]:
    """A share with its Wilson interval."""
    return {name: round(value, 3) for name, value in wilson(count, of).model_dump().items()}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, median and 95th percentile."""
    if not values:
        return {}
    ordered = sorted(values)
    return {
        "mean": round(statistics.mean(ordered), 1),
        "median": ordered[len(ordered) // 2],
        "p95": ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)],
    }


if __name__ == "__main__":
    main()

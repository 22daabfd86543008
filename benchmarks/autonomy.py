"""Earned autonomy on replayed answers: is the promise kept, how much is sent alone, what passes in a drift?

    python benchmarks/autonomy.py [--run STORE/RUN ...] [--massive RECORD.json ...] [--demo FILE.gguf]
        [--replays 100] [--target 0.95 0.98]

The world is stored answers (probability, right or not, the tool that was wanted): of a run to its test, or of
a split of MASSIVE, as `massive_accuracy.py` keeps them in its folder of work. With `--demo` a student of the
demo answers requests of the same households that are not in its log, once; they stay beside the file.

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

import numpy as np
from autonomy_worlds import (
    World,
    answers_of,
    best_coverage,
    coverage,
    demo_answers,
    massive_answers,
    true_share,
)

from distil_dag.stages.evaluating.calibration import calibrated
from distil_dag.stages.serving.autonomy import Autonomy
from distil_dag.stages.serving.proving.confidence_sequence import log_evidence
from distil_dag.stages.serving.standing import Identity
from distil_dag.stages.statistics import wilson

_LOOKS = (100, 300, 1000, 3000)
# Of two kinds of requests: the most in a stream, between two looks, share of the sure ones that is audited.
_MOST, _EVERY, _AUDITED = 120_000, 1000, 0.02


def main() -> None:
    """Replay, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, nargs="+", default=[], help="folders of runs in a store")
    parser.add_argument("--massive", type=Path, nargs="+", default=[], help="records of massive_accuracy.py")
    parser.add_argument("--demo", type=Path, help="GGUF file of a student of examples/smart_home")
    parser.add_argument("--requests", type=int, default=1200, help="that the demo's student answers")
    parser.add_argument("--replays", type=int, default=100)
    parser.add_argument("--target", type=float, nargs="+", default=[0.95, 0.98])
    parser.add_argument("--rows", type=int, default=64, help="calibration rows of each replay")
    parser.add_argument("--steady", action="store_true", help="leave the drifts out")
    parser.add_argument("--weights", action="store_true", help="thinning against weighted evidence")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    worlds = {run.name: answers_of(run) for run in options.run}
    worlds |= {record.stem: massive_answers(record) for record in options.massive}
    if options.demo:
        kept = options.demo.with_suffix(".answers.jsonl")
        worlds[options.demo.stem] = demo_answers(options.demo, options.requests, kept)
    if not worlds and not options.weights:
        parser.error("name a --run, a --massive or a --demo")
    for name, world in worlds.items():
        for target in options.target:
            found[f"{name} at {target:g}"] = {
                "answers": len(world),
                "right": round(sum(row.right for row in world) / len(world), 3),
                "best_coverage": best_coverage(world, target),
                "coverage_if_all_were_seen": all_seen(world, target, options.replays, options.rows),
                "steady": steady(world, target, options.replays, options.rows),
                "drift": {
                    drift: drifting(world, change(world), target, options.replays, options.rows)
                    for drift, change in (DRIFTS.items() if not options.steady else ())
                },
            }
    if options.weights:
        found["requests until 98 % are proved, 2 % of sure answers audited"] = weighted_against_thinned()
    print(json.dumps(found, indent=2))


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
            self.subject.learn(row.score, row.right, decision.alone, decision.weight)


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


def all_seen(world: World, target: float, replays: int, rows: int) -> float:
    """Coverage after as many requests if every one of them went to the teacher as well."""
    reached = []
    for seed in range(replays):
        replay = Replay.begun(world, target, rows, seed)
        for _ in range(_LOOKS[-1]):
            row = replay.draw.choice(world)
            replay.subject.learn(row.score, row.right, audited=False, weight=1.0)
        reached.append(coverage(world, replay.subject.threshold))
    return round(statistics.mean(reached), 3)


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
        needed: dict[str, list[int]] = {"thinning": [], "weights": [], "everything seen": []}
        for seed in range(seeds):
            draw = np.random.default_rng(seed)
            is_sure, drawn = draw.random(_MOST) < 0.5, draw.random(_MOST) < _AUDITED
            hit = draw.random(_MOST) < np.where(is_sure, sure, doubtful)
            games = {
                "thinning": ([drawn], [1.0]),
                "weights": ([is_sure & drawn, ~is_sure], [1.0, _AUDITED]),
                "everything seen": ([drawn | ~drawn], [1.0]),
            }
            for way, (seen, weights) in games.items():
                agreed, disagreed = (
                    np.stack([(kind & told).cumsum()[_EVERY - 1 :: _EVERY] for kind in seen])
                    for told in (hit, ~hit)
                )
                proved = log_evidence(agreed, disagreed, 0.98, weights) >= -math.log(0.05)
                needed[way].append(_EVERY * (int(proved.argmax()) + 1) if proved.any() else _MOST)
        found[name] = {way: int(statistics.median(numbers)) for way, numbers in needed.items()}
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

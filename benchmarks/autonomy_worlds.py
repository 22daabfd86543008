"""Stored answers of students, as worlds that traffic is drawn from."""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from distil_dag.adapters.tasks.folder import read_task
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Case, Message
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.tool_call import ToolCall

_LEAST = 1e-12
_DEMO = Path(__file__).parents[1] / "examples" / "smart_home"
# Rows of the log that the demo's student learns from, and its seed.
_LOGGED, _SEED = 1500, 0
_DECODER = "Q8_0, decoder"


@dataclass(frozen=True)
class Row:
    """One stored answer: natural log of its probability, whether it is right, the tool that was wanted."""

    score: float
    right: bool
    tool: str


World = Sequence[Row]


def answers_of(run: Path) -> World:
    """The answers of the run's first candidate that says how probable they are."""
    rows = pd.read_parquet(run / "eval_report" / "answers.parquet")
    known = rows[rows.probability.notna()]
    if known.empty:
        raise SystemExit(f"no candidate of {run} says how probable its answers are: nothing can be replayed")
    known = known[known.candidate == known.candidate.iloc[0]]
    # Runs of before have no scores, and neither has an answer that was cut off.
    scores = known.score.tolist() if "score" in known else [math.nan] * len(known)
    return [
        Row(
            math.log(max(row.probability, _LEAST)) if pd.isna(score) else score,
            bool(row.exact),
            tool_of(row.expected),
        )
        for row, score in zip(known.itertuples(), scores, strict=True)
    ]


def tool_of(expected: str) -> str:
    """The first tool that the label calls; empty for no call."""
    calls = json.loads(expected)
    return str(calls[0]["name"]) if calls else ""


def massive_answers(record: Path) -> World:
    """The answers of one split, as `massive_accuracy.py` keeps them in its folder of work."""
    answers = json.loads(record.read_text())["answers"].get(_DECODER)
    if not answers:
        raise SystemExit(f"{record} holds no answers by the decoder: name a record of a trained method")
    rows = []
    for answer in answers:
        wanted = parse_answer(answer["expected"]).calls
        score = max(answer["logprob"] or -math.inf, math.log(_LEAST))
        rows.append(Row(score, answer["exact"], wanted[0].name if wanted else ""))
    return rows


def demo_answers(model: Path, requests: int, kept: Path) -> World:
    """A student's answers to requests of the demo's households that its log does not hold.

    Args:
        model: the GGUF file.
        requests: how many.
        kept: JSON lines of the answers, which are computed where the file is missing.
    """
    if not kept.is_file():
        kept.write_text("".join(json.dumps(asdict(row)) + "\n" for row in _answered(model, requests)))
    return [Row(**json.loads(line)) for line in kept.read_text().splitlines()]


def fresh_requests(requests: int) -> list[Case]:
    """Requests of the same households, none of them in the log that the demo learns from."""
    sys.path.insert(0, str(_DEMO))
    import build_log

    logged = build_log._traffic(_LOGGED, random.Random(_SEED))
    seen = {ENGLISH.key(row.request.words) for row in logged}
    found: list[Case] = []
    # The same seed has the same households; with more rows their requests are others.
    for row in build_log._traffic(4 * requests + _LOGGED, random.Random(_SEED)):
        words, tool = row.request.words, row.request.tool
        foreign = row.agent != "smart_home" or row.user.startswith(tuple(f"user-{n}" for n in range(20, 41)))
        if foreign or ENGLISH.key(words) in seen or build_log._is_personal(row.request):
            continue
        seen.add(ENGLISH.key(words))
        calls = (ToolCall(name=tool, arguments=row.request.arguments),) if tool else ()
        found.append(Case(id=str(len(found)), messages=(Message(role="user", content=words),), calls=calls))
        if len(found) == requests:
            return found
    raise SystemExit(f"the demo's households have {len(found)} other requests, {requests} are wanted")


def _answered(model: Path, requests: int) -> World:
    from distil_dag.adapters.serving.student import Student
    from distil_dag.stages.evaluating.metrics import score

    tools = read_task(_DEMO).toolset
    rows = []
    with Student(model) as student:
        for case in fresh_requests(requests):
            answer = student.answer(case.messages, 128)
            right = score(case.calls, parse_answer(answer.text), tools).exact
            sure = max(answer.score, math.log(_LEAST))
            rows.append(Row(sure, right and answer.complete, case.calls[0].name if case.calls else ""))
    return rows


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

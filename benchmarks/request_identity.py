"""How often two requests share one key, and how often one request has several.

    DISTIL_DAG_MASSIVE_TRACES=FILE python benchmarks/request_identity.py

The first log is made of MASSIVE's requests, so that what each depends on is known: each is logged alone and
behind unrelated turns, each is asked back and confirmed or refused, and each is followed by requests that go
on from it. The others are multi-turn conversations of `bfcl-eval`: all turns, told apart by their calls, and
answers to a question about a missing value, told apart by what was asked. "Last words" is the key of the last
user turn alone.
"""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

from distil_dag.core.case import Case, Message
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.tool_call import ToolCall

_QUESTIONS = ("Do you want me to do this: {}?", 'Did you say "{}"?')
_REPLIES = {"yes": ("Yes, please", "yes"), "no": ("No, thanks", "no!")}
_REPORTS = ("Done.", "All right, that is done.", "Okay.", "")
_FURTHER = (
    "and the kitchen too", "what about the bedroom", "turn it off again", "brighter", "a bit less",
    "undo that", "the same tomorrow", "make it 20", "no, the other one", "cancel that",
)  # fmt: skip
_ACTING = (ToolCall(name="act"),)


class Row(NamedTuple):
    """A logged request, and what tells it from others."""

    case: Case
    truth: Hashable


def made(requests: Sequence[str], seed: int = 0) -> dict[str, list[Row]]:
    """Rows by kind, each of which meets its own request several times."""
    rng = random.Random(seed)
    rows: dict[str, list[Row]] = defaultdict(list)
    for request in requests:
        same = ENGLISH.key(request)
        rows["stands alone"].append(_row([request], same))
        for other in rng.sample(requests, 3):
            reply = rng.choice([*_REPORTS, "Anything else?", "Sorry, I can't do that."])
            acting = reply in _REPORTS
            rows["stands alone"].append(_row([other, reply, request], same, acting))
        for answer, spellings in _REPLIES.items():
            for question in _QUESTIONS:
                asked = [request, question.format(request)]
                rows["reply"] += [_row([*asked, said], (same, question, answer)) for said in spellings]
        for further in rng.sample(_FURTHER, 3):
            for report in rng.sample(_REPORTS, 2):
                rows["goes on"].append(_row([request, report, further], (same, further), True))
    return rows


def bfcl() -> Iterator[Row]:
    """Every user turn of the multi-turn conversations, told apart by the calls that are right for it."""
    calls = {row["id"]: row["ground_truth"] for row in _rows("possible_answer/BFCL_v4_multi_turn_base.json")}
    for row in _rows("BFCL_v4_multi_turn_base.json"):
        turns: list[Message] = []
        for said, right in zip(row["question"], calls[row["id"]], strict=True):
            turns += [Message(role="user", content=message["content"]) for message in said]
            if not said:
                continue
            yield Row(Case(id=row["id"], messages=tuple(turns)), (ENGLISH.key(turns[-1].content), *right))
            turns.append(Message(role="assistant", content="Done.", tool_calls=_ACTING))


def answers() -> Iterator[Row]:
    """What users answer where a request left out something that its call needs."""
    whole = {row["id"].split("_")[-1]: row["question"] for row in _rows("BFCL_v4_multi_turn_base.json")}
    for row in _rows("BFCL_v4_multi_turn_miss_param.json"):
        known = {turn[0]["content"] for turn in whole[row["id"].split("_")[-1]] if turn}
        new = [turn[0]["content"] for turn in row["question"] if turn and turn[0]["content"] not in known]
        if len(new) == 2:
            yield _row([new[0], "Could you say more?", new[1]], tuple(map(ENGLISH.key, new)))


def shares(rows: Sequence[Row], key: Callable[[Case], str]) -> tuple[float, float]:
    """Share of rows whose key another request has too; share of requests, met twice or more, with several."""
    truths, keys = defaultdict(set), defaultdict(set)
    met: dict[Hashable, int] = defaultdict(int)
    for row in rows:
        truths[key(row.case)].add(row.truth)
        keys[row.truth].add(key(row.case))
        met[row.truth] += 1
    shared = sum(len(truths[key(row.case)]) > 1 for row in rows)
    again = [truth for truth, times in met.items() if times > 1]
    return shared / len(rows), sum(len(keys[truth]) > 1 for truth in again) / max(1, len(again))


def main() -> None:
    """Print the table."""
    lines = Path(os.environ["DISTIL_DAG_MASSIVE_TRACES"]).read_text(encoding="utf-8").splitlines()
    said = {json.loads(line)["messages"][0]["content"] for line in lines}
    by_key = {ENGLISH.key(text): text for text in sorted(said)}
    replies = list(answers())
    logs = made(list(by_key.values())) | {"all of bfcl-eval": list(bfcl()), "its answers": replies}
    print("| requests | rows | share a key: last words | identity | have several: last words | identity |")
    print("|---|---|---|---|---|---|")
    for kind, rows in logs.items():
        before = shares(rows, lambda case: ENGLISH.key(case.request))
        after = shares(rows, ENGLISH.identity)
        figures = [f"{share:.1%}" for pair in zip(before, after, strict=True) for share in pair]
        print(f"| {kind} | {len(rows)} |", " | ".join(figures), "|")
    pointing = sum(not ENGLISH.stands_alone(row.case.request) for row in replies)
    print(f"{pointing} of {len(replies)} answers to a question about a missing value depend on it")
    print(f"{sum(not ENGLISH.stands_alone(text) for text in by_key.values())} of {len(by_key)} of MASSIVE do")


def _row(said: Sequence[str], truth: Hashable, acting: bool = False) -> Row:
    turns = tuple(
        Message(
            role="assistant" if place % 2 else "user",
            content=text,
            tool_calls=_ACTING if acting and place % 2 else (),
        )
        for place, text in enumerate(said)
    )
    return Row(Case(id="", messages=turns), truth)


def _rows(name: str) -> Iterator[dict[str, Any]]:
    path = Path(str(distribution("bfcl-eval").locate_file(f"bfcl_eval/data/{name}")))
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


if __name__ == "__main__":
    main()

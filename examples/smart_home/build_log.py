"""The production log of a smart-home assistant, and what a human reviewer made of a part of it.

`python examples/smart_home/build_log.py` writes `log.db` (SQLite, table `requests`, one logged
call a row), `test.jsonl` (reviewed requests with their true calls) and `labels.jsonl` (which
logged calls were right). Everything follows from the seed, byte for byte.

The log holds what a real one holds: requests that come again, an agent that is wrong in a
quarter of its answers, questions that no tool serves, personal data, and the traffic of another
agent, most of it under that agent's name, some not. The column `injected_fault` says what was
done to a row; it is for tests alone, no part of the pipeline reads it.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from faults import Call, invented_call, wrong_call
from household_words import PEOPLE, Household, households
from sentences import Request, sample_question, sample_request

from distil_dag.core.normalise import ENGLISH

MODEL = "gpt-4.1-2025-04-14"
SYSTEM = "You are the voice assistant of a smart home."
REFUSALS = ("Sorry, I can't help with that.", "I can only control the house.", "There is no tool for that.")
START = datetime(2026, 10, 5, tzinfo=UTC)
DAYS = 28

FOREIGN_SHARE = 0.10  # the other agent's rows, under its own name
STRAY_SHARE = 0.05  # the other agent's rows that lost their name
QUESTION_SHARE = 0.12  # of the smart home's requests: no tool serves them
REPEAT_SHARE = 0.15  # of the smart home's requests: asked before
FAULT_SHARE = 0.25  # of the smart home's answers

_MAIL: tuple[tuple[str, str | None, dict[str, str]], ...] = (
    (
        "schedule a meeting with {who} on {day}",
        "create_event",
        {"title": "meeting with {who}", "day": "{day}"},
    ),
    ("move my {day} standup to ten", "update_event", {"title": "standup", "day": "{day}", "time": "ten"}),
    ("reply to {who} that i am out on {day}", "send_email", {"to": "{who}", "body": "i am out on {day}"}),
    ("what is on my calendar on {day}", "list_events", {"day": "{day}"}),
    ("find the invoice from {who}", "search_email", {"query": "invoice from {who}"}),
    ("draft a summary of the {day} call with {who}", None, {}),
)
_WHO = (
    "the landlord",
    "finance",
    "dr patel",
    "the design team",
    "accounting",
    "my manager",
    "lena",
    "the bank",
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

_TABLE = """
CREATE TABLE requests (
    id TEXT PRIMARY KEY, created_at TIMESTAMP NOT NULL, agent TEXT NOT NULL, user_id TEXT NOT NULL,
    model TEXT NOT NULL, request TEXT NOT NULL, response TEXT NOT NULL, latency_ms REAL NOT NULL,
    cost_usd REAL NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    injected_fault TEXT NOT NULL
)
"""


@dataclass(frozen=True)
class Logged:
    """A request, what the agent answered, and what was planted in the answer."""

    request: Request
    user: str
    answer: Call | None
    agent: str = "smart_home"
    fault: str = ""

    @property
    def is_right(self) -> bool:
        return not self.fault


def build_log(folder: Path, rows: int = 1500, seed: int = 0) -> Path:
    """Write `log.db`, `test.jsonl` and `labels.jsonl` into `folder`; returns the database's path."""
    rng = random.Random(seed)
    logged = _traffic(rows, rng)
    test = _draw_test(logged, rng)
    labelled = _draw_labelled(logged, test, rng)
    folder.mkdir(parents=True, exist_ok=True)
    _write_jsonl(folder / "test.jsonl", [_case(request) for request in test])
    _write_jsonl(
        folder / "labels.jsonl",
        [{"id": _row_id(place), "right": logged[place].is_right} for place in labelled],
    )
    return _write_database(folder / "log.db", logged, rng)


def _traffic(rows: int, rng: random.Random) -> list[Logged]:
    homes = households(16, rng)
    foreign, stray = round(rows * FOREIGN_SHARE), round(rows * STRAY_SHARE)
    own = rows - foreign - stray
    asked: list[tuple[Household, str, Request]] = []
    questions = round(own * QUESTION_SHARE)
    for place in range(own - round(own * REPEAT_SHARE)):
        # The busier households come first.
        house = rng.choices(homes, weights=[1 / (place + 2) for place in range(len(homes))])[0]
        sample = sample_question if place < questions * (1 - REPEAT_SHARE) else sample_request
        asked.append((house, rng.choice(house.users), _spoken(sample(house, rng), rng)))
    repeated = [rng.choice(asked) for _ in range(own - len(asked))]
    logged = [_answered(request, user, house, rng) for house, user, request in asked + repeated]
    logged += [_foreign("mail_assistant", rng) for _ in range(foreign)]
    logged += [_foreign("smart_home", rng) for _ in range(stray)]
    rng.shuffle(logged)
    return logged


def _spoken(request: Request, rng: random.Random) -> Request:
    """The request with the politeness, wake words and typing habits of its user."""
    words = request.words
    draw = rng.random()
    if draw < 0.08 and request.tool:
        words = f"please {words}"
    elif draw < 0.15 and request.tool:
        words = f"{rng.choice(('can you', 'could you', 'would you'))} {words}"
    elif draw < 0.20:
        words = f"{rng.choice(('hey jarvis', 'ok jarvis', 'hey'))} {words}"
    elif draw < 0.24 and request.tool != "announce":
        words = f"{words} {rng.choice(('please', 'thanks'))}"
    if rng.random() < 0.15:
        mark = (
            "?" if request.tool is None and words.startswith(("what", "how", "which", "are", "who")) else "."
        )
        words = words[0].upper() + words[1:] + mark
    return Request(words, request.tool, request.arguments)


def _answered(request: Request, user: str, house: Household, rng: random.Random) -> Logged:
    right = (request.tool, request.arguments) if request.tool else None
    if rng.random() >= FAULT_SHARE:
        return Logged(request, user, right)
    if right is None:
        return Logged(request, user, invented_call(house, rng), fault="call_invented")
    fault, wrong = wrong_call(right, house, rng)
    return Logged(request, user, wrong, fault=fault)


def _foreign(agent: str, rng: random.Random) -> Logged:
    words, tool, arguments = rng.choice(_MAIL)
    filled = {"who": rng.choice((*_WHO, rng.choice(PEOPLE))), "day": rng.choice(_DAYS)}
    request = Request(words.format(**filled))
    answer = (tool, {name: text.format(**filled) for name, text in arguments.items()}) if tool else None
    fault = "other_agent" if answer else ""
    return Logged(request, f"user-{rng.randint(20, 40)}a", answer, agent, fault)


def _draw_test(logged: Sequence[Logged], rng: random.Random, size: int = 200) -> list[Request]:
    """Different requests, at least two of every tool and argument pattern, the rest in proportion.

    A reviewer writes no personal data into a test.
    """
    found: dict[str, Request] = {}
    for row in logged:
        if row.agent == "smart_home" and row.fault != "other_agent" and not _is_personal(row.request):
            found.setdefault(ENGLISH.key(row.request.words), row.request)
    cells: dict[tuple[str, ...], list[Request]] = defaultdict(list)
    for key in sorted(found):
        request = found[key]
        cells[(request.tool or "", *sorted(request.arguments))].append(request)
    drawn: list[Request] = []
    rest: list[Request] = []
    for cell in sorted(cells):
        rng.shuffle(cells[cell])
        sure = min(2, len(cells[cell]) // 3)
        drawn += cells[cell][:sure]
        rest += cells[cell][sure:]
    drawn += rng.sample(rest, min(len(rest), max(0, size - len(drawn))))
    rng.shuffle(drawn)
    return drawn[:size]


def _draw_labelled(
    logged: Sequence[Logged], test: Sequence[Request], rng: random.Random, size: int = 300
) -> list[int]:
    """Places of the smart home's rows that a reviewer marked; none repeats a request of the test."""
    tested = {ENGLISH.key(request.words) for request in test}
    free = [
        place
        for place, row in enumerate(logged)
        if row.agent == "smart_home" and ENGLISH.key(row.request.words) not in tested
    ]
    return sorted(rng.sample(free, min(size, len(free))))


def _is_personal(request: Request) -> bool:
    return any(person in request.words for person in PEOPLE)


def _case(request: Request) -> dict[str, Any]:
    answer: dict[str, Any] = {"role": "assistant", "content": "" if request.tool else REFUSALS[0]}
    if request.tool:
        call = {"name": request.tool, "arguments": request.arguments}
        answer["tool_calls"] = [{"type": "function", "function": call}]
    return {"messages": [{"role": "user", "content": request.words}, answer]}


def _row_id(place: int) -> str:
    return f"req-{place + 1:06d}"


def _write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _write_database(path: Path, logged: Sequence[Logged], rng: random.Random) -> Path:
    """A new database; one that was there is replaced only when this one is whole."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    seconds = sorted(rng.sample(range(DAYS * 24 * 3600), len(logged)))
    rows = [
        _row(place, row, START + timedelta(seconds=second), rng)
        for place, (row, second) in enumerate(zip(logged, seconds, strict=True))
    ]
    with sqlite3.connect(part) as database:
        database.execute(_TABLE)
        database.executemany("INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.close()
    return part.replace(path)


def _row(place: int, row: Logged, time: datetime, rng: random.Random) -> tuple[Any, ...]:
    """One logged call: the request as it was sent, the response as it came back."""
    system = SYSTEM if row.agent == "smart_home" else "You look after mail and calendar."
    prompt_tokens = 640 + len(row.request.words.split()) * 4 // 3
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if row.answer is None:
        message["content"] = rng.choice(REFUSALS)
    else:
        tool, arguments = row.answer
        function = {"name": tool, "arguments": json.dumps(arguments, ensure_ascii=False)}
        message["tool_calls"] = [
            {"id": f"call_{rng.getrandbits(64):016x}", "type": "function", "function": function}
        ]
    completion_tokens = 8 + len(json.dumps(message)) // 5
    finish = "stop" if row.answer is None else "tool_calls"
    request = {
        "model": MODEL,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": row.request.words}],
    }
    response = {
        "id": f"chatcmpl-{rng.getrandbits(64):016x}",
        "object": "chat.completion",
        "created": int(time.timestamp()),
        "model": MODEL,
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens},
    }
    return (
        _row_id(place),
        time.strftime("%Y-%m-%d %H:%M:%S"),
        row.agent,
        row.user,
        MODEL,
        json.dumps(request, ensure_ascii=False),
        json.dumps(response, ensure_ascii=False),
        round(rng.lognormvariate(6.6, 0.35), 1),
        round(prompt_tokens * 2e-6 + completion_tokens * 8e-6, 6),
        prompt_tokens,
        completion_tokens,
        row.fault,
    )


def main() -> None:
    """Build the log beside this file, or in the folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(build_log(given.folder, given.rows, given.seed))


if __name__ == "__main__":
    main()

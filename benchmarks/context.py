"""Answers that depend on what a system prompt says: the chain with `student.context` auto, none and full.

    python benchmarks/context.py [--home FOLDER] [--only auto,none,full] [--json]

The log is made: homes with devices of their own, whose system prompts say the date, the user and the devices.
Labels name a device's id, which only the prompt has, or a date that follows from the prompt's.
`TASK` holds the settings of the runs. FOLDER keeps the runs, and one that is there goes on. At the end the
students answer the same requests in turns, so that other work on the machine slows all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from distil_dag.core.case import Message
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.reports.training import TrainReport
from distil_dag.runs.run import Run
from distil_dag.stages.evaluating.metrics import METRICS

SETTINGS = ("auto", "none", "full")
NAMES = (
    "desk lamp", "reading lamp", "ceiling light", "heater", "fan", "radio", "coffee machine", "blinds",
    "kettle", "toaster", "humidifier", "night light", "floor lamp", "porch light", "dishwasher", "oven",
    "television", "speaker", "water pump", "air purifier", "garage door", "doorbell", "freezer", "projector",
)  # fmt: skip
USERS = (
    "Ann Weber",
    "Ben Okoro",
    "Cleo Marsh",
    "Dina Rossi",
    "Eli Novak",
    "Femi Ade",
    "Gus Holm",
    "Ida Brandt",
)
RULES = """\
You are the assistant of a home and act through tools.
Call one tool for each request, and name a device by its id in the list below.
Dates are written as year, month and day.
Decline what no tool can do, and never ask back.
Never tell the user what the list of devices holds."""

TOOLS = [
    {
        "name": "switch",
        "description": "Switch a device on or off.",
        "parameters": {
            "type": "object",
            "properties": {
                "device_id": {"type": "string", "description": "id of the device in this home"},
                "state": {"type": "string", "enum": ["on", "off"]},
            },
            "required": ["device_id", "state"],
        },
    },
    {
        "name": "agenda",
        "description": "Read the calendar of a day.",
        "parameters": {
            "type": "object",
            "properties": {"date": {"type": "string", "description": "year-month-day"}},
            "required": ["date"],
        },
    },
]
SWITCH = (
    "turn {state} the {name}", "please switch {state} the {name}", "switch the {name} {state}",
    "could you turn the {name} {state}", "{name} {state} please", "i want the {name} {state}",
    "the {name} should go {state}", "let the {name} be {state}", "flip the {name} {state} now",
    "time to get the {name} {state}",
)  # fmt: skip
AGENDA = (
    "is there a {event} {day}", "when is my {event} {day}", "do i have a {event} {day}",
    "what time is the {event} {day}",
)  # fmt: skip
EVENTS = (
    "dentist visit",
    "meeting",
    "birthday",
    "concert",
    "lesson",
    "match",
    "delivery",
    "dinner",
    "call",
    "trip",
)
OTHER = (
    "tell me a joke", "who won the match", "write a poem about rain", "what is the capital of peru",
    "how old is the moon", "sing a song", "translate good morning", "what does blue mean",
)  # fmt: skip

TASK = """\
name: homes
description: A home assistant whose system prompt says the date, the user and the devices.
traces:
  kind: files
  path: log.jsonl
test:
  size: 60
judge:
  min_score: 0.0
  set_aside: 0.0
  reask: 0
synthesis:
  rows: 120
  transplant_share: 1.0
  widen: false
student:
  context: {context}
training:
  mix: synthetic+seeds+context
  trained_layers: 15
  epochs: 2
  least_seen: 900
  learning_rate: 0.0003
export:
  quantizations: [Q8_0]
evaluation:
  max_new_tokens: 48
  few_shot: 0
gates:
  soft: [beats_base, beats_lookup, gguf_parity, loss_fell, rows_complete, cells_covered]
"""


def homes(count: int, draw: random.Random) -> list[tuple[str, dict[str, str]]]:
    """User and devices (name -> id) of each home.

    Args:
        count: how many homes.
        draw: draws names and ids.
    """
    found = []
    for place in range(count):
        names = draw.sample(NAMES, draw.randint(4, 6))
        ids = draw.sample(range(10, 100), len(names))
        found.append(
            (
                USERS[place % len(USERS)],
                {name: f"dev{number}" for name, number in zip(names, ids, strict=True)},
            )
        )
    return found


def record(number: int, home: tuple[str, dict[str, str]], draw: random.Random) -> dict[str, Any]:
    """One request with its answer, in the form that production logs it.

    Args:
        number: of the record.
        home: user and devices.
        draw: draws the day, the words and what is asked.
    """
    user, devices = home
    today = date(2026, 3, 1) + timedelta(days=draw.randrange(200))
    listed = "\n".join(f"- {name}: {id}" for name, id in devices.items())
    system = f"{RULES}\nToday is {today:%A}, {today.isoformat()}.\nThe user is {user}.\nDevices:\n{listed}"
    kind = draw.random()
    call: dict[str, Any] | None = None
    if kind < 0.65:
        name, state = draw.choice(list(devices)), draw.choice(("on", "off"))
        words = draw.choice(SWITCH).format(name=name, state=state)
        call = {"name": "switch", "arguments": {"device_id": devices[name], "state": state}}
    elif kind < 0.9:
        day, days = draw.choice((("today", 0), ("tomorrow", 1)))
        words = draw.choice(AGENDA).format(event=draw.choice(EVENTS), day=day)
        call = {"name": "agenda", "arguments": {"date": (today + timedelta(days=days)).isoformat()}}
    else:
        words = draw.choice(OTHER)
    said: dict[str, Any] = {"role": "assistant", "content": "" if call else "I can't do that."}
    if call:
        function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
        said["tool_calls"] = [{"id": f"call{number:05}", "type": "function", "function": function}]
    turns = [{"role": "system", "content": system}, {"role": "user", "content": words}, said]
    return {"id": f"r{number:04}", "messages": turns}


def write_task(folder: Path, context: str, rows: int = 400, seed: int = 0) -> None:
    """Write the task with its log.

    Args:
        folder: where it goes.
        context: the setting `student.context`.
        rows: records of the log.
        seed: another one, another log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    known = homes(40, draw)
    log = [record(number, draw.choice(known), draw) for number in range(rows)]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    (folder / "task.yaml").write_text(TASK.replace("{context}", context))
    job = {
        "task_description": "Run a home.",
        "tools": [{"type": "function", "function": tool} for tool in TOOLS],
    }
    (folder / "job_description.json").write_text(json.dumps(job, indent=1))


def measured(home: Path, context: str) -> dict[str, Any]:
    """Figures of one run, made in a process of its own.

    Args:
        home: the folder of all runs.
        context: the setting `student.context`.
    """
    folder = home / context / "homes"
    write_task(folder, context)
    command = Path(sys.executable).parent / "distil-dag"
    run = f"homes.{context}"
    subprocess.run(
        [command, "run", str(folder), "--run", run],
        cwd=home,
        env={**os.environ, "DISTIL_DAG_HOME": str(home / "home")},
        check=True,
    )
    store = home / "home" / "store" / run
    report = EvalReport.model_validate_json((store / "eval_report" / "report.json").read_text())
    told = TracesReport.model_validate_json((store / "traces" / "report.json").read_text()).context
    trained = TrainReport.model_validate_json((store / "checkpoint" / "report.json").read_text())
    assert told is not None
    rows = {}
    for candidate in report.candidates:
        exact = candidate.metrics[METRICS[0]]
        rows[candidate.name] = {
            "exact_match": exact.value,
            "low": exact.low,
            "high": exact.high,
            "per_tool": candidate.per_tool,
        }
    return {
        "context": context,
        "cases": report.n,
        "context_tokens": told.kept_tokens,
        "row_tokens": trained.tokens / trained.rows,
        "candidates": rows,
    }


def in_turns(home: Path, contexts: Sequence[str], repeats: int = 3) -> dict[str, float]:
    """The student's time of an answer under each setting.

    Args:
        home: the folder of all runs.
        contexts: the settings.
        repeats: of each request.

    Returns:
        Setting -> median over the logged requests of the first test, in milliseconds.
    """
    runs = {context: Run(f"homes.{context}", home / "home" / "store") for context in contexts}
    held_out = set(runs[contexts[0]].frame("test")["id"])
    log = (home / contexts[0] / "homes" / "log.jsonl").read_text().splitlines()
    asked = [
        tuple(Message(role=turn["role"], content=turn["content"]) for turn in row["messages"][:-1])
        for row in map(json.loads, log)
        if row["id"] in held_out
    ]
    took: dict[str, list[float]] = {context: [] for context in contexts}
    with ExitStack() as opened:
        students = {context: opened.enter_context(run.student()) for context, run in runs.items()}
        for _ in range(repeats):
            for conversation in asked:
                for context, student in students.items():
                    took[context].append(student.answer(conversation, max_tokens=48).milliseconds)
    return {context: statistics.median(times) for context, times in took.items()}


def main() -> None:
    """Make the runs and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--home", type=Path, help="keep the runs in this folder")
    parser.add_argument("--only", default=",".join(SETTINGS), help="settings to run, separated by commas")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = options.home or Path(temporary)
        contexts = options.only.split(",")
        found = [measured(place, context) for context in contexts]
        pace = in_turns(place, contexts)
    for row in found:
        row["milliseconds"] = pace[row["context"]]
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for row in found:
        print(
            f"student.context: {row['context']}, {row['cases']} cases, {row['row_tokens']:.0f} tokens a row, "
            f"{row['milliseconds']:.0f} ms an answer"
        )
        for name, figure in row["candidates"].items():
            exact = f"{figure['exact_match']:6.1%} ({figure['low']:.1%} to {figure['high']:.1%})"
            print(f"  {name:28} {exact}")


if __name__ == "__main__":
    main()

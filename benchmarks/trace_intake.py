"""How fast the log comes in, and that memory does not grow with it.

    python benchmarks/trace_intake.py [--rows 10000 1000000] [--source jsonl sqlite] [--json FILE]

Each size is written as a log of chat-completion pairs and loaded by the code of the `traces` asset (dlt,
redaction, schema checks, duplicate ids, quarantine, Parquet) in a process of its own. The baseline, in a
process of its own as well, parses the JSON of the same log and keeps nothing: no loader of these logs can be
faster than that. Prints a table and one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOMS = ["kitchen", "hall", "living room", "bedroom", "garage", "office"]
TOOL = {
    "type": "function",
    "function": {
        "name": "set_light",
        "parameters": {
            "type": "object",
            "properties": {"room": {"type": "string"}, "level": {"type": "integer"}},
            "required": ["room"],
        },
    },
}


def records(rows: int) -> Iterator[tuple[str, str, str, str]]:
    """Rows of a log: 1 in 50 holds an e-mail address, 1 in 500 can't be read.

    Yields:
        (id, time, request, response) of a row.
    """
    rng = random.Random(0)
    for number in range(rows):
        room, level = rng.choice(ROOMS), rng.randrange(100)
        text = f"set the {room} light to {level} percent"
        if number % 50 == 0:
            text += f" and mail user{number}@example.com"
        request = {"messages": [{"role": "system", "content": "You run a house."},
                                {"role": "user", "content": text}]}  # fmt: skip
        function = {"name": "set_light", "arguments": json.dumps({"room": room, "level": level})}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"type": "function", "function": function}],
        }
        response = json.dumps({"model": "agent-1", "choices": [{"message": message}]})
        time_text = f"2026-11-{1 + number % 28:02}T{number % 24:02}:00:00Z"
        yield (
            f"req-{number}",
            time_text,
            json.dumps(request),
            response[:40] if number % 500 == 0 else response,
        )


def write(path: Path, source: str, rows: int) -> None:
    """Write a log of so many rows as one file, JSON lines or an SQLite database."""
    names = ("id", "created_at", "request", "response")
    if source == "jsonl":
        with path.open("w") as file:
            file.writelines(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in records(rows))
        return
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE log (id TEXT PRIMARY KEY, created_at TEXT, request TEXT, response TEXT)")
    database.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", records(rows))
    database.commit()


def baseline(path: Path, source: str) -> int:
    """Parse the JSON of every row of a log, and count the rows."""
    rows = 0
    if source == "jsonl":
        with path.open("rb") as file:
            pairs: Any = ((row["request"], row["response"]) for row in map(json.loads, file))
            rows = parse(pairs)
    else:
        rows = parse(sqlite3.connect(path).execute("SELECT request, response FROM log ORDER BY id"))
    return rows


def parse(pairs: Any) -> int:
    """Parse both texts of each pair, and count the pairs."""
    rows = 0
    for pair in pairs:
        for text in pair:
            with contextlib.suppress(ValueError):
                json.loads(text)
        rows += 1
    return rows


def intake(path: Path, source: str) -> int:
    """Load a log as the asset does, and count the rows read."""
    from distil_dag.adapters.logs.intake import Intake
    from distil_dag.adapters.logs.source import log_pipeline, log_source, open_log
    from distil_dag.adapters.run_store import RunStore
    from distil_dag.core.run_key import RunKey
    from distil_dag.core.task import Settings, Task

    where = {"kind": "files", "path": str(path), "time_column": "created_at"}
    if source == "sqlite":
        where = {"kind": "sql", "url": f"sqlite:///{path}", "table": "log"}
    settings = Settings.model_validate({"name": "benchmark", "traces": where})
    task = Task(settings=settings, description="", tools=(TOOL,))
    key = RunKey.parse("benchmark.all")
    counted, store = Intake(task, key), RunStore(path.parent / "store")
    with log_pipeline(store, str(key)) as pipeline:
        pipeline.run(log_source(counted, open_log(task), key), loader_file_format="parquet")
    return counted.report().read


def measured(work: str, path: Path, source: str) -> dict[str, float]:
    """Run one piece of work in a process of its own.

    Args:
        work: `baseline` or `intake`.
        path: the log.
        source: its kind.

    Returns:
        `rows`, `seconds`, `cpu_seconds`, and peak memory in MB as `peak_mb`.
    """
    command = [sys.executable, __file__, "--work", work, "--path", str(path), "--source", source]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure all sizes, or (in a child process) do one piece of work."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    arguments.add_argument("--source", nargs="+", choices=["jsonl", "sqlite"], default=["jsonl", "sqlite"])
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--work", choices=["baseline", "intake"], help=argparse.SUPPRESS)
    arguments.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.work:
        started, worked = time.perf_counter(), time.process_time()
        rows = {"baseline": baseline, "intake": intake}[given.work](given.path, given.source[0])
        seconds = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        cpu = time.process_time() - worked
        print(json.dumps({"rows": rows, "seconds": seconds, "cpu_seconds": cpu, "peak_mb": memory}))
        return
    results = []
    print("source       rows  seconds    CPU s    rows/s  peak MB  baseline rows/s  of baseline", flush=True)
    for source in given.source:
        for rows in given.rows:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"log.{source}"
                write(path, source, rows)
                found, plain = (measured(work, path, source) for work in ("intake", "baseline"))
            speed, plain_speed = (one["rows"] / one["seconds"] for one in (found, plain))
            ratio = {"baseline_rows_per_second": plain_speed, "of_baseline": speed / plain_speed}
            results.append({"source": source, **found, "rows_per_second": speed, **ratio})
            print(
                f"{source:7} {rows:>9,} {found['seconds']:8.1f} {found['cpu_seconds']:8.1f} "
                f"{speed:9,.0f} {found['peak_mb']:8.0f} "
                f"{plain_speed:16,.0f} {speed / plain_speed:12.1%}",
                flush=True,
            )
    text = json.dumps(
        {"benchmark": "trace_intake", "baseline": "json.loads of the same log", "results": results}
    )
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()

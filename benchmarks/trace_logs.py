"""Logs of any size for `trace_intake.py`, in each kind of source, and their plain parsing."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

SOURCES = ("jsonl", "parquet", "sqlite", "postgres", "otlp")
COLUMNS = ("id", "created_at", "request", "response")
ROOMS = ["kitchen", "hall", "living room", "bedroom", "garage", "office"]
WORDS = [
    "please",
    "now",
    "soon",
    "slowly",
    "again",
    "first",
    "then",
    "later",
    "quickly",
    "maybe",
    "today",
    "outside",
    "upstairs",
    "gently",
]
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
PROMPT = "You run a house."
_SPANS_A_LINE = 100

Row = tuple[str, str, str, str]


def records(rows: int, distinct: bool = False, prompt: str = PROMPT) -> Iterator[Row]:
    """Rows of a log: 1 in 50 holds an e-mail address, 1 in 500 can't be read.

    Args:
        rows: how many.
        distinct: whether hardly two requests are the same; otherwise there are 600.
        prompt: the system prompt.

    Yields:
        (id, time, request, response) of a row.
    """
    rng = random.Random(0)
    for number in range(rows):
        room, level = rng.choice(ROOMS), rng.randrange(100)
        text = f"set the {room} light to {level} percent"
        if distinct:
            text += " " + " ".join(rng.choices(WORDS, k=6))
        if number % 50 == 0:
            text += f" and mail user{number}@example.com"
        request = {"messages": [{"role": "system", "content": prompt},
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


def write(path: Path, source: str, rows: Iterable[Row]) -> None:
    """Write a log as one file; for Postgres, a file that names the database and a table in it."""
    if source == "jsonl":
        with path.open("w") as file:
            file.writelines(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows)
    elif source == "otlp":
        with path.open("w") as file:
            for page in _pages(rows, _SPANS_A_LINE):
                spans = [{"scope": {"name": "benchmark"}, "spans": list(map(_span, page))}]
                file.write(json.dumps({"resourceSpans": [{"scopeSpans": spans}]}) + "\n")
    elif source == "parquet":
        _write_parquet(path, rows)
    elif source == "sqlite":
        database = sqlite3.connect(path)
        database.execute(
            "CREATE TABLE log (id TEXT PRIMARY KEY, created_at TEXT, request TEXT, response TEXT)"
        )
        database.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", rows)
        database.commit()
    else:
        _fill_postgres(path.read_text(), rows)


def parse(path: Path, source: str) -> int:
    """Parse the JSON of every row of a log with `json.loads`, and count the rows."""
    if source == "otlp":
        return sum(
            len(one["spans"])
            for line in path.open("rb")
            for held in json.loads(line)["resourceSpans"]
            for one in held["scopeSpans"]
        )
    rows = 0
    for pair in _pairs(path, source):
        for text in pair:
            with contextlib.suppress(ValueError):
                json.loads(text)
        rows += 1
    return rows


def settings_of(path: Path, source: str) -> dict[str, Any]:
    """The setting `traces` of a task that reads a log."""
    if source == "sqlite":
        return {"kind": "sql", "url": f"sqlite:///{path}", "table": "log"}
    if source == "postgres":
        return {"kind": "sql", "url": path.read_text(), "table": "log"}
    column = {} if source == "otlp" else {"time_column": "created_at"}
    return {"kind": "files", "path": str(path), **column}


def _pairs(path: Path, source: str) -> Iterator[Any]:
    if source == "jsonl":
        with path.open("rb") as file:
            yield from ((row["request"], row["response"]) for row in map(json.loads, file))
    elif source == "sqlite":
        yield from sqlite3.connect(path).execute("SELECT request, response FROM log ORDER BY id")
    elif source == "parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(path).iter_batches(columns=["request", "response"]):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    else:
        import sqlalchemy as sa

        with sa.create_engine(path.read_text()).connect() as connection:
            query = sa.text("SELECT request, response FROM log ORDER BY id")
            yield from connection.execution_options(yield_per=1000).execute(query)


def _pages(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    rest = iter(rows)
    while page := list(islice(rest, size)):
        yield page


def _span(row: Row) -> dict[str, Any]:
    """A row as a span by the GenAI conventions of OpenTelemetry; the unreadable ones have no answer."""
    identity, _, request, response = row
    number = int(identity.removeprefix("req-"))
    given = [_message(one) for one in json.loads(request)["messages"]]
    texts = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(given)}
    with contextlib.suppress(ValueError):
        answer = json.loads(response)
        got = [_message(one["message"]) for one in answer["choices"]]
        texts |= {"gen_ai.response.model": answer["model"], "gen_ai.output.messages": json.dumps(got)}
    start = 1_796_010_065_000_000_000 + number * 1_000_000
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat agent-1",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 40_000_000),
        "attributes": [{"key": key, "value": {"stringValue": text}} for key, text in texts.items()],
    }


def _message(message: dict[str, Any]) -> dict[str, Any]:
    parts = [{"type": "text", "content": message["content"]}] if message["content"] else []
    for call in message.get("tool_calls", ()):
        function = call["function"]
        arguments = json.loads(function["arguments"])
        parts.append({"type": "tool_call", "name": function["name"], "arguments": arguments})
    return {"role": message["role"], "parts": parts}


def _write_parquet(path: Path, rows: Iterable[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    with pq.ParquetWriter(path, schema) as file:
        for page in _pages(rows, 10_000):
            columns = [pa.array(column) for column in zip(*page, strict=True)]
            file.write_table(pa.Table.from_arrays(columns, schema=schema))


def _fill_postgres(url: str, rows: Iterable[Row]) -> None:
    import sqlalchemy as sa

    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS log"))
        create = "CREATE TABLE log (id text PRIMARY KEY, created_at timestamptz, request text, response text)"
        connection.execute(sa.text(create))
        insert = sa.text("INSERT INTO log VALUES (:id, :created_at, :request, :response)")
        for page in _pages(rows, 10_000):
            connection.execute(insert, [dict(zip(COLUMNS, row, strict=True)) for row in page])

"""Small logs in the forms that users have."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SYSTEM = "You control the lights of a house."


def tool(description: str = "Set a light.", **properties: Any) -> dict[str, Any]:
    properties = properties or {"room": {"type": "string"}, "level": {"type": "integer"}}
    parameters = {"type": "object", "properties": properties, "required": ["room"]}
    function = {"name": "set_light", "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def row(number: int, *tools: dict[str, Any], said: str = "", calls: bool = True) -> dict[str, Any]:
    """A row of a log: the number-th request of it, a minute after the one before."""
    user = said or f"Set light {number} to {number} percent."
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]
    arguments = json.dumps({"room": f"room {number}", "level": number})
    call = {"type": "function", "function": {"name": "set_light", "arguments": arguments}}
    answer = {
        "role": "assistant",
        "content": None if calls else "No.",
        "tool_calls": [call] if calls else None,
    }
    return {
        "id": f"r{number}",
        "created_at": f"2026-11-01T10:{number:02}:00Z",
        "request": {"messages": messages, **({"tools": list(tools)} if tools else {})},
        "response": {"choices": [{"message": answer}]},
    }


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


def write_table(path: Path, rows: Iterable[dict[str, Any]], name: str = "calls") -> Path:
    """An SQLite database with a table of these rows, and one that is no log."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT)")
        database.execute(
            f"CREATE TABLE {name} (number INTEGER PRIMARY KEY, logged_at TEXT, request TEXT, response TEXT)"
        )
        for number, one in enumerate(rows):
            bodies = json.dumps(one["request"]), json.dumps(one["response"])
            database.execute(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", (number, one["created_at"], *bodies))
    return path

"""The logged calls of the demo, for programs that send them to a server."""

import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

EXAMPLE = Path(__file__).parents[5] / "examples" / "smart_home"
TOOLS = json.loads((EXAMPLE / "job_description.json").read_text())["tools"]


def calls():
    """The calls that the command names: a database, and the places of the first and the last but one.

    Yields:
        Id, start in nanoseconds, end, request, response.
    """
    path, first, last = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with sqlite3.connect(path) as database:
        rows = database.execute(
            "SELECT id, created_at, latency_ms, request, response FROM requests ORDER BY id LIMIT ? OFFSET ?",
            (last - first, first),
        )
        for name, time, latency, request, response in rows:
            moment = datetime.strptime(time, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            start = int(moment.timestamp()) * 10**9
            body = {**json.loads(request), "tools": TOOLS}
            yield name, start, start + int(latency * 1e6), body, json.loads(response)

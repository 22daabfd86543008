"""What `traces` tells of the tools that requests define."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.reports.intake import TracesReport
from distil_dag_tests.assets.test_traces import materialize, write_task
from distil_dag_tests.cli.logs.some_logs import tool

RUN = "lights.first"


def test_versions_over_time_from_a_column_beside_the_request(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    write_task(
        tmp_path / "tasks/lights", "lights", kind="sql", url=f"sqlite:///{tmp_path}/log.db", table="log"
    )
    old, new = tool(), tool(room={"type": "string", "enum": ["<b>", "a@example.com"]})
    answer = json.dumps({"name": "set_light", "arguments": {"room": "den"}})
    with sqlite3.connect(tmp_path / "log.db") as database:
        database.execute("CREATE TABLE log (id, created_at, question, answer, tools)")
        rows = [
            (
                day,
                f"2026-11-{day:02}T12:00:00Z",
                f"light {day}",
                answer,
                json.dumps([new if day > 3 else old]),
            )
            for day in range(1, 6)
        ]
        database.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?)", rows)
    result, logged = materialize(tmp_path, RUN)
    assert result.success, logged
    report = RunStore(tmp_path / "store").read_report(RUN, "traces", TracesReport)
    assert [(version.tool, version.requests) for version in report.tool_versions] == [
        ("set_light", 3),
        ("set_light", 2),
    ]
    (event,) = result.asset_materializations_for_node("traces")
    table = event.metadata["tool_versions"].value
    header, _, first, second = table.splitlines()
    assert [cell.strip() for cell in header.split("|")[1:-1]] == [
        "tool", "version", "change", "requests", "first", "last",
    ]  # fmt: skip
    assert "2026-11-01 12:00" in first
    assert "2026-11-03 12:00" in first
    assert "drops level" in second
    assert "a@example.com" not in table + logged
    assert "<b>" not in table


def test_without_definitions_in_the_log_there_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    log = tmp_path / "log.jsonl"
    log.write_text('{"question": "light", "answer": {"name": "light", "arguments": {}}}\n')
    write_task(tmp_path / "tasks/lights", "lights", kind="files", path=str(log))
    (event,) = materialize(tmp_path, RUN)[0].asset_materializations_for_node("traces")
    assert "tool_versions" not in event.metadata

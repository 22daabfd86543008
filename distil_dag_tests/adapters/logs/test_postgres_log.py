"""A production log in a real Postgres: typed times, JSON columns, and a password that stays out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from distil_dag.adapters.logs.intake import Intake
from distil_dag.adapters.logs.source import count_between, log_pipeline, log_source, open_log
from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Settings, Task
from distil_dag_tests.conftest import Postgres


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> str:
    return postgres.url()


FILL = """
CREATE SCHEMA logs;
CREATE TABLE logs.calls (
    uid uuid PRIMARY KEY, at timestamptz, agent text, messages jsonb, cost numeric, hidden text);
INSERT INTO logs.calls
SELECT md5(n::text)::uuid, timestamptz '2026-11-20 00:00+01' + n * interval '1 hour',
       CASE WHEN n % 4 = 0 THEN 'other' ELSE 'home' END,
       jsonb_build_array(
           jsonb_build_object('role', 'user', 'content', 'turn on ' || n),
           jsonb_build_object('role', 'assistant', 'tool_calls', jsonb_build_array(
               jsonb_build_object('function', jsonb_build_object(
                   'name', 'on', 'arguments', jsonb_build_object('n', n)))))),
       0.1, 'hidden'
FROM generate_series(0, 2999) AS n;
"""


def test_a_window_of_a_postgres_table(url: str, tmp_path: Path) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(FILL))
    source = {
        "kind": "sql", "url": url, "table": "logs.calls", "id_column": "uid", "time_column": "at",
        "where": {"agent": "home"},
    }  # fmt: skip
    tool = {"type": "function", "function": {"name": "on", "parameters": {}}}
    task = Task(
        settings=Settings.model_validate({"name": "t", "traces": source}), description="", tools=(tool,)
    )
    run = "t.20261220T000000Z_20261121T000000Z"
    store, key = RunStore(tmp_path), RunKey.parse(run)
    found = []
    for _ in range(2):
        intake = Intake(task, key)
        with log_pipeline(store, run) as pipeline:
            pipeline.run(log_source(intake, open_log(task), key), loader_file_format="parquet")
        found.append(store.read_rows(run, tables.TRACES))
    assert found[0] == found[1]
    expected = {f"turn on {n}" for n in range(25, 25 + 29 * 24) if n % 4}
    assert {row["request"] for row in found[0]} == expected
    assert intake.report().read == len(expected)
    assert count_between(task, datetime(2027, 3, 24, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)) == 18
    day = datetime(2027, 3, 23, tzinfo=UTC), datetime(2027, 3, 24, tzinfo=UTC)
    assert count_between(task, *day) == 18
    landed = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"not-a-secret" not in landed
    assert b"hidden" not in landed

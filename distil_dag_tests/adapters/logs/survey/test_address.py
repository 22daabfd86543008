"""From an address to the source of a task."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from distil_dag.adapters.logs.survey.address import source_at
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.sources import SqlSource


def database(tmp_path: Path, *statements: str) -> str:
    with sqlite3.connect(tmp_path / "log.db") as connection:
        for statement in statements:
            connection.execute(statement)
    return f"sqlite:///{tmp_path / 'log.db'}"


CALLS = "CREATE TABLE calls (request TEXT, response TEXT, seen TEXT)"


def test_without_a_key_a_known_name_or_an_option_names_a_row(tmp_path: Path) -> None:
    url = database(tmp_path, CALLS, "INSERT INTO calls VALUES ('{}', '{}', '2026-11-30')")
    with pytest.raises(SourceError, match=r"name one by --id-column. It has request, response, seen"):
        source_at(url)
    source = source_at(url, id_column="seen", time_column="seen")
    assert isinstance(source, SqlSource)
    assert (source.table, source.id_column, source.time_column) == ("calls", "seen", "seen")
    with pytest.raises(SourceError, match=r"--time-column: table 'calls' has no column 'when'"):
        source_at(url, id_column="seen", time_column="when")
    database(tmp_path, "ALTER TABLE calls ADD COLUMN request_id TEXT")
    source = source_at(url)
    assert isinstance(source, SqlSource)
    assert (source.id_column, source.time_column) == ("request_id", None)


def test_a_column_of_a_time_is_one_by_its_values(tmp_path: Path) -> None:
    table = "CREATE TABLE calls (id INTEGER, messages TEXT, time REAL, logged TIMESTAMP)"
    url = database(tmp_path, table, "INSERT INTO calls VALUES (1, '[]', 0.3, '2026-11-30 10:00:00')")
    source = source_at(url)
    assert isinstance(source, SqlSource)
    assert (source.id_column, source.time_column) == ("id", "logged")


def test_a_view_may_be_a_log(tmp_path: Path) -> None:
    url = database(
        tmp_path,
        "CREATE TABLE rows (id INTEGER PRIMARY KEY, asked TEXT)",
        "CREATE VIEW chats AS SELECT id, asked AS messages FROM rows",
    )
    source = source_at(url)
    assert isinstance(source, SqlSource)
    assert (source.table, source.id_column) == ("chats", "id")


def test_a_database_without_a_log(tmp_path: Path) -> None:
    url = database(tmp_path, "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
    with pytest.raises(SourceError, match=r"looks like a log. Name one by --table; it has users"):
        source_at(url)


def test_files_have_no_tables(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("{}")
    with pytest.raises(SourceError, match="is no database: leave --table out"):
        source_at(str(tmp_path / "log.jsonl"), "calls")


@pytest.mark.parametrize("address", ["s3://bucket/log.jsonl", "hf://datasets/owner/name/log.parquet"])
def test_addresses_of_file_systems_stay_as_they_are(address: str) -> None:
    assert source_at(address).model_dump(exclude_defaults=True) == {"kind": "files", "path": address}


@pytest.mark.parametrize("address", ["postgres://me:hunter2@host/db", "clickhouse://me:hunter2@host/db"])
def test_a_database_that_is_not_known_is_told_without_its_password(address: str) -> None:
    with pytest.raises(SourceError, match="can't be used as a database URL") as caught:
        source_at(address)
    assert "hunter2" not in str(caught.value)


def test_a_service_may_have_tables() -> None:
    found = source_at("clickhouse:http://host:8123", "otel.otel_traces", time_column="Timestamp")
    assert found.model_dump(exclude_defaults=True) == {
        "kind": "clickhouse",
        "url": "http://host:8123",
        "table": "otel.otel_traces",
        "time_column": "Timestamp",
    }
    with pytest.raises(SourceError, match="loki is no database: leave --table out"):
        source_at("loki:http://host:3100", "lines")

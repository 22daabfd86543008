"""The log as dlt reads it: real databases and files, the window, and what lands."""

import gzip
import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distil_dag.adapters.logs.source import (
    count_between,
    open_log,
    source_error,
)
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core import tables
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.loaded_log import load, task_of

DAY = datetime(2026, 11, 20, tzinfo=UTC)
WINDOW = "t.20261123T000000Z_20261121T000000Z"


def pair(number, text=None):
    request = {"messages": [{"role": "user", "content": text or f"turn on {number}"}]}
    call = {"function": {"name": "on", "arguments": json.dumps({"n": number})}}
    return json.dumps(request), json.dumps(
        {"choices": [{"message": {"role": "assistant", "tool_calls": [call]}}]}
    )


def database(path, rows, time_type="TEXT", key="PRIMARY KEY"):
    connection = sqlite3.connect(path)
    connection.execute(
        f"CREATE TABLE calls (id INTEGER {key}, created_at {time_type}, agent TEXT, request TEXT, "
        "response TEXT, injected_fault TEXT)"
    )
    connection.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?, 'secret fault')", rows)
    connection.commit()
    return {"kind": "sql", "url": f"sqlite:///{path}", "table": "calls", "where": {"agent": "home"}}


def times_as(form):
    def written(time):
        return {
            "iso": time.isoformat(),
            "z": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "space": time.strftime("%Y-%m-%d %H:%M:%S.%f"),
            "seconds": int(time.timestamp()),
            "millis": int(time.timestamp() * 1000),
        }[form]

    return written


@pytest.mark.parametrize(
    ("form", "time_type"),
    [("iso", "TEXT"), ("z", "TEXT"), ("space", "TIMESTAMP"), ("z", "DATETIME"), ("seconds", "INTEGER"),
     ("millis", "INTEGER"), ("seconds", "TEXT")],
)  # fmt: skip
def test_a_window_of_a_table_is_selected_in_the_database(tmp_path, form, time_type):
    written = times_as(form)
    rows = [
        (n, written(DAY + timedelta(hours=n)), "home" if n % 3 else "other", *pair(n)) for n in range(100)
    ]
    task = task_of(database(tmp_path / "log.db", rows, time_type))
    found, quarantine, intake = load(task, tmp_path / "store", WINDOW)
    expected = [n for n in range(24, 72) if n % 3]
    assert [row["id"] for row in found] == [str(n) for n in expected]
    assert found[0]["time"] == "2026-11-21T01:00:00Z"
    assert quarantine == []
    assert intake.report().read == len(expected)
    for first, last in ((24, 72), (90, 100), (90, 10_000), (7, 8), (7, 7)):
        window = DAY + timedelta(hours=first), DAY + timedelta(hours=last)
        assert count_between(task, *window) == len([n for n in range(first, min(last, 100)) if n % 3])


def test_the_query_names_only_what_is_needed_and_filters_by_time(tmp_path):
    task = task_of(database(tmp_path / "log.db", []))
    query = str(open_log(task).query(RunKey.parse(WINDOW)))
    assert "injected_fault" not in query
    assert "created_at >=" in query
    assert "agent =" in query
    selected = query.split("FROM")[0]
    assert "agent" not in selected
    load(task, tmp_path / "store")
    landed = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert b"injected_fault" not in landed


def test_one_broken_row_of_a_table_does_not_hide_the_others(tmp_path):
    at = DAY.isoformat()
    rows = [
        (1, at, "home", *pair(1)),
        (2, "yesterday", "home", *pair(2)),
        (3, at, "home", "{broken", "{}"),
        (4, None, "home", *pair(4)),
        (5, at, "home", b"\xff\x00binary", b"\x00"),
        (6, at, "home", None, None),
        (7, at, "home", *pair(7, "mail bob@example.com")),
    ]
    source = database(tmp_path / "log.db", rows)
    connection = sqlite3.connect(tmp_path / "log.db")
    # Text that is no UTF-8, which Python's driver refuses to read.
    connection.execute("INSERT INTO calls VALUES (8, ?, 'home', CAST(X'FF41' AS TEXT), '{}', '')", (at,))
    connection.execute("INSERT INTO calls VALUES (9, ?, 'home', ?, ?, '')", (at, *pair(9)))
    connection.commit()
    found, quarantine, _ = load(task_of(source), tmp_path / "store")
    assert [row["id"] for row in found] == ["1", "4", "7", "9"]
    assert found[2]["request"] == "mail <EMAIL_1>"
    assert {row["position"]: row["reason"] for row in quarantine} == {
        "id 2": "unreadable time", "id 3": "broken JSON", "id 5": "not UTF-8 text", "id 6": "unknown format",
        "id 8": "broken JSON",
    }  # fmt: skip
    windowed, quarantine, _ = load(task_of(source), tmp_path / "store", "t.20261121T000000Z_20261119T000000Z")
    assert [row["id"] for row in windowed] == ["1", "7", "9"]
    assert {row["reason"] for row in quarantine} >= {"no time", "unreadable time"}


def test_a_repeated_id_keeps_its_first_row(tmp_path):
    rows = [(n % 5, DAY.isoformat(), "home", *pair(n)) for n in range(12)]
    task = task_of(database(tmp_path / "log.db", rows, key=""))
    found, quarantine, _ = load(task, tmp_path / "store")
    assert len(found) == 5
    assert [row["reason"] for row in quarantine] == ["duplicate id"] * 7
    assert load(task, tmp_path / "again")[0] == found


def test_rows_without_an_id_get_one_that_stays(tmp_path):
    rows = [(None, DAY.isoformat(), "home", *pair(1))] * 3
    task = task_of(database(tmp_path / "log.db", rows, key=""))
    found, quarantine, _ = load(task, tmp_path / "store")
    assert len({row["id"] for row in found}) == 3
    assert quarantine == []
    assert load(task, tmp_path / "again")[0] == found


def test_loading_twice_replaces_and_gives_the_same(tmp_path):
    rows = [(n, DAY.isoformat(), "home", *pair(n)) for n in range(3000)] + [(9999, "?", "home", "", "")]
    task = task_of(database(tmp_path / "log.db", rows))
    first = load(task, tmp_path / "store")
    second = load(task, tmp_path / "store")
    assert first[:2] == second[:2]
    assert len(first[0]) == 3000
    assert len(list((tmp_path / "store/t.all/traces/traces").glob("*.parquet"))) == 1
    emptied = task_of({**task.settings.traces.model_dump(), "where": {"agent": "nobody"}})
    assert load(emptied, tmp_path / "store")[:2] == ([], [])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"table": "missing"}, "no table 'missing'; it has calls"),
        ({"id_column": "uid"}, "traces.id_column: there is no column 'uid'"),
        ({"time_column": "at"}, "traces.time_column: there is no column 'at'"),
        ({"where": {"tenant": "x"}}, "traces.where.tenant: there is no column 'tenant'"),
        ({"columns": {"request": "prompt"}}, "traces.columns.request: there is no column 'prompt'"),
        ({"columns": {"prompt": "request"}}, "prompt is none of our fields"),
        ({"url": "sqlite:////nowhere/log.db"}, "no SQLite database /nowhere/log.db"),
        ({"url": "nonsense"}, "can't be used as a database URL"),
        ({"url": "${NO_SUCH_VARIABLE_HERE}"}, "environment variable NO_SUCH_VARIABLE_HERE, which is not set"),
        ({"url": "postgresql+psycopg2://me:hunter2@127.0.0.1:9/log"}, "can't be read"),
        ({"url": "postgresql+psycopg2://me:p@ss:hunter2@127.0.0.1:9/log"}, "must be percent-encoded"),
        ({"url": "postgresql+psycopg2://me:p@hunter2@127.0.0.1:9/log"}, "must be percent-encoded"),
        ({"url": "postgresql+psycopg2://me:p@hunter2/s@127.0.0.1:9/log"}, "must be percent-encoded"),
        ({"url": "mysql+cymysql://me:hunter2@127.0.0.1:9/log"}, "needs the Python package cymysql"),
    ],
)
def test_a_source_that_does_not_fit_is_said_without_secrets(tmp_path, change, said):
    task = task_of({**database(tmp_path / "log.db", []), **change})
    with pytest.raises(SourceError) as caught:
        open_log(task)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_variable_in_the_url_is_read_from_the_environment(tmp_path, monkeypatch):
    source = database(tmp_path / "log.db", [(1, DAY.isoformat(), "home", *pair(1))])
    monkeypatch.setenv("TRACE_DATABASE", str(tmp_path / "log.db"))
    found, _, _ = load(task_of({**source, "url": "sqlite:///${TRACE_DATABASE}"}), tmp_path / "store")
    assert len(found) == 1


def records(count, start=0, **more):
    def call():
        return {"role": "assistant", "tool_calls": [{"function": {"name": "on", "arguments": {"n": 1}}}]}

    return [
        {"at": (DAY + timedelta(hours=n)).isoformat(), "agent": "home",
         "messages": [{"role": "user", "content": f"turn on {n}"}, call()], **more}
        for n in range(start, start + count)
    ]  # fmt: skip


def write_jsonl(path, rows):
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)


def test_files_of_a_folder_are_read_in_the_order_of_their_paths(tmp_path):
    write_jsonl(tmp_path / "log/b.jsonl.gz", records(10, 20))
    write_jsonl(tmp_path / "log/sub/c.jsonl", records(10, 30))
    write_parquet(tmp_path / "log/a.parquet", records(20))
    task = task_of({"kind": "files", "path": "log", "time_column": "at"}, tmp_path)
    found, quarantine, _ = load(task, tmp_path / "store")
    assert [row["request"] for row in found] == [f"turn on {n}" for n in range(40)]
    assert quarantine == []
    assert len({row["id"] for row in found}) == 40
    assert load(task, tmp_path / "again")[0] == found
    windowed, _, intake = load(task, tmp_path / "store", "t.20261120T120000Z_20261120T060000Z")
    assert [row["request"] for row in windowed] == [f"turn on {n}" for n in range(6, 12)]
    assert intake.report().read == 6
    assert count_between(task, DAY + timedelta(hours=35), DAY + timedelta(days=9)) == 5
    assert count_between(task, DAY + timedelta(hours=35), DAY + timedelta(hours=38)) == 3


@pytest.mark.parametrize(
    "path", ["log/*.jsonl", "log/[ab].jsonl", "log/**/*.jsonl", "log/a.jsonl", "file://{}"]
)
def test_a_glob_or_a_file_names_what_is_read(tmp_path, path):
    write_jsonl(tmp_path / "log/a.jsonl", records(2))
    write_jsonl(tmp_path / "log/b.jsonl", records(2, 2))
    write_jsonl(tmp_path / "log/c.txt", records(2, 4))
    task = task_of({"kind": "files", "path": path.format(tmp_path / "log/a.jsonl")}, tmp_path)
    found, _, _ = load(task, tmp_path / "store")
    assert len(found) == (2 if path.endswith(("a.jsonl", "{}")) else 4)


def test_names_with_glob_signs_and_foreign_suffixes_are_read_when_they_are_named(tmp_path):
    write_jsonl(tmp_path / "log [old]*.txt", records(2))
    task = task_of({"kind": "files", "path": "log [old]*.txt"}, tmp_path)
    assert len(load(task, tmp_path / "store")[0]) == 2


def test_files_of_an_object_store(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    for name, rows in (("a.jsonl", records(3)), ("b.jsonl.gz", records(3, 3))):
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        memory.pipe(f"/bucket/log/{name}", gzip.compress(data) if name.endswith("gz") else data)
    pq.write_table(pa.Table.from_pylist(records(3, 6)), "/bucket/log/c.parquet", filesystem=memory)
    for path, count in (
        ("memory://bucket/log", 9),
        ("memory://bucket/log/*.jsonl", 3),
        ("memory://bucket/log/c.parquet", 3),
    ):
        assert len(load(task_of({"kind": "files", "path": path}), tmp_path / "store")[0]) == count


def test_where_and_columns_of_files(tmp_path):
    rows = [{"uid": f"u{n}", "prompt": f"turn on {n}", "said": {"name": "on", "arguments": {"n": n}},
             "ok": n % 2 == 0} for n in range(6)]  # fmt: skip
    source = {"kind": "files", "path": "log.jsonl", "id_column": "uid", "where": {"ok": "true"},
              "columns": {"question": "prompt", "answer": "said"}}  # fmt: skip
    write_jsonl(tmp_path / "log.jsonl", rows)
    found, _, _ = load(task_of(source, tmp_path), tmp_path / "store")
    assert [(row["id"], row["request"]) for row in found] == [(f"u{n}", f"turn on {n}") for n in (0, 2, 4)]
    write_parquet(tmp_path / "log.parquet", rows)
    parquet = task_of({**source, "path": "log.parquet"}, tmp_path)
    assert [row["id"] for row in load(parquet, tmp_path / "store")[0]] == ["u0", "u2", "u4"]


def test_nulls_of_parquet_structs_are_no_arguments(tmp_path):
    rows = records(2)
    rows[1]["messages"][1]["tool_calls"][0]["function"]["arguments"] = {"m": "x"}
    write_parquet(tmp_path / "log.parquet", rows)
    found, _, _ = load(task_of({"kind": "files", "path": "log.parquet"}, tmp_path), tmp_path / "store")
    assert [json.loads(row["calls"])[0]["arguments"] for row in found] == [{"n": 1}, {"m": "x"}]


def test_parquet_rows_whose_calls_have_other_shapes_are_read_like_their_neighbours(tmp_path):
    rows = records(3)
    rows[1]["messages"][1]["tool_calls"] = [{"name": "on", "arguments": {"n": 2}}]
    rows[2]["messages"][1]["tool_calls"] = [{"name": "on", "parameters": {"n": 3}}]
    write_parquet(tmp_path / "log.parquet", rows)
    found, _, _ = load(task_of({"kind": "files", "path": "log.parquet"}, tmp_path), tmp_path / "store")
    assert [json.loads(row["calls"])[0]["arguments"]["n"] for row in found] == [1, 2, 3]


def test_parquet_text_that_is_no_utf8_costs_one_row(tmp_path):
    questions = pa.array([b"one", b"\xff\xfe", b"three"], pa.binary()).view(pa.string())
    table = pa.table({"question": questions, "answer": pa.array(["no"] * 3)})
    pq.write_table(table, tmp_path / "log.parquet")
    found, quarantine, _ = load(
        task_of({"kind": "files", "path": "log.parquet"}, tmp_path), tmp_path / "store"
    )
    assert [row["request"] for row in found] == ["one", "three"]
    assert [(row["position"], row["reason"]) for row in quarantine] == [("row 2", "not UTF-8 text")]


def test_no_file_is_a_clear_error(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log/notes.txt").write_text("not a log")
    for path in ("nothing/*.jsonl", "nothing.jsonl", "log"):
        with pytest.raises(Exception) as caught:  # noqa: PT011 (dlt may wrap it)
            load(task_of({"kind": "files", "path": path}, tmp_path), tmp_path / "store")
        assert "no file of JSON, CSV, Parquet or Arrow" in str(source_error(caught.value))
    with pytest.raises(SourceError, match="no file of JSON, CSV, Parquet or Arrow"):
        nothing = {"kind": "files", "path": "nothing/*.jsonl", "time_column": "at"}
        count_between(task_of(nothing, tmp_path), DAY, DAY + timedelta(days=1))


def test_an_unsuccessful_load_leaves_the_one_before(tmp_path):
    write_jsonl(tmp_path / "log/a.jsonl", records(5))
    task = task_of({"kind": "files", "path": "log/*.jsonl"}, tmp_path)
    found, _, _ = load(task, tmp_path / "store")
    (tmp_path / "log/a.jsonl").unlink()
    with pytest.raises(Exception):  # noqa: B017, PT011 (dlt wraps it)
        load(task, tmp_path / "store")
    assert RunStore(tmp_path / "store").read_rows("t.all", tables.TRACES) == found


def test_a_dataset_of_the_hub_layout(tmp_path):
    pytest.importorskip("datasets")
    write_jsonl(tmp_path / "data/train.jsonl", [{**row, "hidden": "x"} for row in records(5)])
    task = task_of({"kind": "huggingface", "dataset": "data", "time_column": "at"}, tmp_path)
    found, quarantine, _ = load(task, tmp_path / "store")
    assert [row["request"] for row in found] == [f"turn on {n}" for n in range(5)]
    assert quarantine == []
    assert load(task, tmp_path / "again")[0] == found
    assert count_between(task, DAY + timedelta(hours=3), DAY + timedelta(hours=4)) == 1
    missing = task_of({"kind": "huggingface", "dataset": "data", "split": "nope"}, tmp_path)
    with pytest.raises(Exception) as caught:  # noqa: PT011 (dlt wraps it)
        load(missing, tmp_path / "store")
    assert "split nope" in str(source_error(caught.value))

"""A task folder made of a log, as a user meets it."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from distil_dag.adapters.logs.source import read_traces
from distil_dag.adapters.tasks.folder import read_task
from distil_dag.core.run_key import RunKey
from distil_dag_tests.cli.logs.some_logs import row, tool, write_lines, write_table
from distil_dag_tests.cli.test_cli import Call, call
from distil_dag_tests.conftest import Postgres
from distil_dag_tests.stages.reading.recorders.samples import sample

__all__ = ["call"]


def light_of(folder: Path) -> dict[str, Any]:
    job = json.loads((folder / "job_description.json").read_text())
    (found,) = [one["function"] for one in job["tools"] if one["function"]["name"] == "set_light"]
    return dict(found)


def ids(folder: Path) -> list[str]:
    task = read_task(folder)
    return [trace.id for trace in read_traces(task, RunKey.parse(f"{task.name}.all"))[0]]


def test_the_table_and_the_next_commands(call: Call, tmp_path: Path) -> None:
    rows = [
        row(1, tool()),
        row(2, tool(), said="Mail a@example.com"),
        row(3, tool(), calls=False),
        {"id": "x"},
    ]
    said = call("init", "--from", write_lines(tmp_path / "agent.jsonl", rows), tmp_path / "my task")
    assert said.code == 0
    table = [re.sub(r"\s+", " ", line).strip("│ ") for line in said.out.splitlines()]
    for line in (
        "my_task: 4 records in the log",
        "answers of a model │ 4",
        "traces │ 3",
        "set aside: unknown format │ 1",
        "calls of set_light │ 2",
        "answers without a call │ 1 (33%)",
        "personal data replaced: EMAIL │ 1",
        "first │ 2026-11-01 10:01:00 UTC",
        "last │ 2026-11-01 10:03:00 UTC",
        f"distil-dag plan '{tmp_path / 'my task'}'",
        f"distil-dag run '{tmp_path / 'my task'}'",
    ):
        assert line in table
    task = read_task(tmp_path / "my task")
    assert task.settings.traces.time_column == "created_at"
    assert ids(tmp_path / "my task") == ["r1", "r2", "r3"]
    assert "task my_task" in {check["name"] for check in json.loads(call("doctor", "--json").out)["checks"]}


def test_without_definitions_tools_are_inferred(call: Call, tmp_path: Path) -> None:
    said = call("init", "--from", write_lines(tmp_path / "agent.jsonl", [row(1), row(2)]), tmp_path / "new")
    assert "they are inferred from the calls" in said.out.replace("\n", " ")
    assert light_of(tmp_path / "new")["description"].startswith("REVIEW: inferred from 2 calls.")


def test_the_newest_version_is_taken(call: Call, tmp_path: Path) -> None:
    old, new = tool("Old."), tool("New.", room={"type": "string"})
    rows = [row(3, new), row(1, old), row(2, old)]
    said = call("init", "--from", write_lines(tmp_path / "agent.jsonl", rows), tmp_path / "new")
    assert "set_light 2 versions" in said.out
    assert "calls of set_light (2 versions of its definition)" in said.out
    assert light_of(tmp_path / "new")["description"] == "New."
    assert "drops level" in said.out
    # The calls of the old one carry an argument that the new one has not.
    assert "whose calls do not fit the tools" in said.out


def test_calls_of_tools_that_no_request_defines_are_told(call: Call, tmp_path: Path) -> None:
    other = tool()
    other["function"]["name"] = "open_door"
    log = write_lines(tmp_path / "agent.jsonl", [row(1, other), row(2, other)])
    said = call("init", "--from", log, tmp_path / "new")
    assert "defined by no request, and left out: set_light (2)" in said.out
    assert read_task(tmp_path / "new").toolset.names == ("open_door",)


def test_a_file_for_fine_tuning_is_a_log(call: Call, tmp_path: Path) -> None:
    """As OpenAI takes them: a turn with weight 0 is no example."""
    rows = []
    for number in (1, 2):
        one = row(number)
        answer = one["response"]["choices"][0]["message"]
        history = [
            {"role": "user", "content": "Hi"},
            {**answer, "weight": 0},
            {"role": "tool", "content": "ok"},
        ]
        messages = [one["request"]["messages"][0], *history, one["request"]["messages"][1], answer]
        rows.append({"messages": messages, "tools": [tool()], "parallel_tool_calls": False})
    assert call("init", "--from", write_lines(tmp_path / "tuning.jsonl", rows)).code == 0
    task = read_task(tmp_path / "tuning")
    assert light_of(tmp_path / "tuning")["description"] == "Set a light."
    traces = read_traces(task, RunKey.parse("tuning.all"))[0]
    assert [trace.request for trace in traces] == [f"Set light {n} to {n} percent." for n in (1, 2)]


def test_a_tool_that_is_no_valid_one_is_left_out(call: Call, tmp_path: Path) -> None:
    broken = tool()
    broken["function"]["name"] = "not a name!"
    log = write_lines(tmp_path / "agent.jsonl", [row(1, tool(), broken)])
    said = call("init", "--from", log, tmp_path / "new")
    assert "left out: not a name!" in said.out.replace("\n", " ")
    assert read_task(tmp_path / "new").toolset.names == ("set_light",)


def test_columns_of_a_table_of_files(call: Call, tmp_path: Path) -> None:
    rows = [
        {"log_id": one["id"], "ts": one["created_at"], "tools": json.dumps([tool()]),
         "request": json.dumps(one["request"]), "response": json.dumps(one["response"])}
        for one in (row(1), row(2))
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "log.parquet")
    assert call("init", "--from", tmp_path / "log.parquet", tmp_path / "new").code == 0
    traces = read_task(tmp_path / "new").settings.traces
    assert (traces.id_column, traces.time_column) == ("log_id", "ts")
    assert ids(tmp_path / "new") == ["r1", "r2"]
    assert light_of(tmp_path / "new")["description"] == "Set a light."


def test_columns_that_a_user_names(call: Call, tmp_path: Path) -> None:
    rows = [{**row(number, tool()), "ref": f"a{number}", "when": "2026-11-30"} for number in (1, 2)]
    log = write_lines(tmp_path / "agent.jsonl", rows)
    named = ("--id-column", "ref", "--time-column", "when")
    assert call("init", "--from", log, tmp_path / "new", *named).code == 0
    traces = read_task(tmp_path / "new").settings.traces
    assert (traces.id_column, traces.time_column) == ("ref", "when")
    assert ids(tmp_path / "new") == ["a1", "a2"]
    said = call("init", "--from", log, tmp_path / "other", "--id-column", "nope")
    assert (said.code, said.err) == (2, "distil-dag: no record has the column nope\n")


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_a_database(form: str, call: Call, tmp_path: Path) -> None:
    path = write_table(tmp_path / "log.db", [row(1, tool()), row(2, tool())])
    said = call("init", "--from", form.format(path))
    assert said.code == 0, said.err
    source = read_task(tmp_path / "calls").settings.traces
    assert source.kind == "sql"
    assert (source.url, source.table) == (f"sqlite:///{path}", "calls")
    assert (source.id_column, source.time_column) == ("number", "logged_at")
    assert ids(tmp_path / "calls") == ["0", "1"]


def test_a_relative_path_is_meant_from_here(call: Call, tmp_path: Path) -> None:
    write_table(tmp_path / "log.db", [row(1, tool())])
    assert call("init", "--from", "sqlite:///log.db", tmp_path / "deep" / "new").code == 0
    assert ids(tmp_path / "deep" / "new") == ["0"]


def test_a_database_whose_rows_hold_spans(call: Call, tmp_path: Path) -> None:
    trace = sample("mlflow.jsonl", 1)
    with sqlite3.connect(tmp_path / "log.db") as database:
        database.execute("CREATE TABLE traces (trace_id TEXT PRIMARY KEY, timestamp TEXT, spans TEXT)")
        values = "t", "2026-11-30T00:00:00Z", json.dumps(trace["data"]["spans"])
        database.execute("INSERT INTO traces VALUES (?, ?, ?)", values)
    assert call("init", "--from", tmp_path / "log.db", tmp_path / "new").code == 0
    # The spans have times of their own: a window would find none under the row's column.
    assert read_task(tmp_path / "new").settings.traces.time_column is None
    assert len(ids(tmp_path / "new")) == 1
    assert light_of(tmp_path / "new")["description"].startswith("Set the brightness")


def test_of_several_tables_one_must_be_named(call: Call, tmp_path: Path) -> None:
    path = write_table(tmp_path / "log.db", [row(1, tool())])
    write_table(path, [row(2, tool())], "chats")
    said = call("init", "--from", path, tmp_path / "new")
    assert said.code == 2
    assert "several tables that look like a log: calls, chats. Name one by --table" in said.err
    assert not (tmp_path / "new").exists()
    assert call("init", "--from", path, "--table", "chats", tmp_path / "new").code == 0
    said = call("init", "--from", path, "--table", "nope", tmp_path / "other")
    assert said.code == 2
    assert "no table 'nope'; it has calls, chats, users" in said.err


# A password is at home in the URL of a server; SQLite ignores the option and says so.
@pytest.mark.filterwarnings("ignore:Query string argument")
def test_a_secret_is_written_nowhere(call: Call, tmp_path: Path) -> None:
    path = write_table(tmp_path / "log.db", [row(1, tool())])
    said = call("init", "--from", f"sqlite:///{path}?secret_key=s3cr3t", tmp_path / "new")
    assert said.code == 0, said.err
    written = "".join(file.read_text() for file in (tmp_path / "new").iterdir())
    assert "s3cr3t" not in written + said.out + said.err
    assert f"url: sqlite:///{path}?secret_key=${{LOG_SECRET_KEY}}" in written
    assert "export LOG_SECRET_KEY=..." in said.out


def test_a_secret_of_a_server_that_does_not_answer_is_not_said(call: Call, tmp_path: Path) -> None:
    said = call("init", "--from", "postgresql+psycopg2://me:s3cr3t@127.0.0.1:1/logs", tmp_path / "new")
    assert said.code == 2
    assert "s3cr3t" not in said.out + said.err
    assert "can't be read" in said.err


FILL = """
CREATE SCHEMA llm;
CREATE TABLE llm.calls (uid uuid PRIMARY KEY, at timestamptz, messages jsonb, tools jsonb);
INSERT INTO llm.calls
SELECT md5(n::text)::uuid, timestamptz '2026-11-20 00:00Z' + n * interval '1 minute',
       jsonb_build_array(
           jsonb_build_object('role', 'user', 'content', 'den to ' || n),
           jsonb_build_object('role', 'assistant', 'tool_calls', jsonb_build_array(
               jsonb_build_object('function', jsonb_build_object(
                   'name', 'set_light', 'arguments', jsonb_build_object('room', 'den', 'level', n)))))),
       cast(:tools AS jsonb)
FROM generate_series(0, 2499) AS n;
"""


def test_a_server_of_postgres(
    call: Call, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.url()
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text(FILL), {"tools": json.dumps([tool()])})
    said = call("init", "--from", url, "--table", "llm.calls", tmp_path / "new", "--records", 1200)
    assert said.code == 0, said.err
    assert "of the first 1,200 records" in said.out
    written = "".join(file.read_text() for file in (tmp_path / "new").iterdir())
    assert postgres.password not in written + said.out + said.err
    assert light_of(tmp_path / "new")["description"] == "Set a light."
    source = read_task(tmp_path / "new").settings.traces
    assert (source.table, source.id_column, source.time_column) == ("llm.calls", "uid", "at")
    assert "${LOG_PASSWORD}" in call("look", tmp_path / "new").err + written
    monkeypatch.setenv("LOG_PASSWORD", postgres.password)
    assert json.loads(call("look", tmp_path / "new", "--json").out)["traces"]["kept"] == 2500


def test_an_existing_folder_is_refused(call: Call, tmp_path: Path) -> None:
    log = write_lines(tmp_path / "agent.jsonl", [row(1, tool())])
    (tmp_path / "agent").mkdir()
    for words in ([], [tmp_path / "agent"]):
        said = call("init", "--from", log, *words)
        assert said.code == 2
        assert "exists already" in said.err
    assert list((tmp_path / "agent").iterdir()) == []
    assert "--force" in call("init", "--from", log, tmp_path / "x", "--force").err


@pytest.mark.parametrize("form", ["logs", "logs/", "logs/*.jsonl.gz"])
def test_files_of_a_folder(form: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for number in (1, 2):
        text = json.dumps(row(number, tool())).encode()
        (tmp_path / "logs" / f"{number}.jsonl.gz").write_bytes(gzip.compress(text))
    said = call("init", "--from", form, tmp_path / "new")
    assert said.code == 0, said.err
    assert ids(tmp_path / "new") == ["r1", "r2"]
    said = call("init", "--from", "logs/*.jsonl.gz")
    assert "logs exists already" in said.err


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("", 1, "holds no record"),
        ("<html>\n</html>", 2, "is HTML or XML"),
        ('{"message": "started", "level": "info"}\n' * 2, 2, "has the fields message, level"),
        (json.dumps(row(1, calls=False)), 1, "shows no tool"),
        (json.dumps({"messages": [{"role": "user", "content": "x"}]}), 1, "could be read as an answer"),
    ],
)
def test_what_gives_no_task_is_told(content: str, code: int, said: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "agent.jsonl").write_text(content)
    found = call("init", "--from", tmp_path / "agent.jsonl", tmp_path / "new")
    assert found.code == code
    assert said in found.err
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_not_there(call: Call, tmp_path: Path) -> None:
    assert "there is no file nothing.jsonl" in call("init", "--from", "nothing.jsonl").err


def test_a_long_log_is_looked_at_in_part(call: Call, tmp_path: Path) -> None:
    log = write_lines(tmp_path / "agent.jsonl", [row(number, tool()) for number in range(5)])
    said = call("init", "--from", log, tmp_path / "new", "--records", 3)
    assert "of the first 3 records" in said.out
    said = call("init", "--from", log, tmp_path / "all", "--records", 5)
    assert "5 records in the log" in said.out


def test_json(call: Call, tmp_path: Path) -> None:
    log = write_lines(tmp_path / "agent.jsonl", [row(1), row(2)])
    told = json.loads(call("init", "--from", log, tmp_path / "new", "--json").out)
    assert told["folder"] == str(tmp_path / "new")
    assert told["tools_inferred"]
    assert told["survey"]["traces"]["kept"] == 2
    assert told["next"][0] == f"distil-dag plan {tmp_path / 'new'}"
    empty = write_lines(tmp_path / "empty.jsonl", [])
    told = json.loads(call("init", "--from", empty, "--json").out)
    assert "holds no record" in told["problem"]

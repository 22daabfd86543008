"""Logs of recorders from files, tables and databases: unwrapped, joined to the end, counted once."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from distil_dag.adapters.logs import joining
from distil_dag.adapters.logs.joining import Joining
from distil_dag.adapters.logs.source import read_traces
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.loaded_log import load, task_of
from distil_dag_tests.stages.reading.recorders.samples import SAMPLES, read_log, sample
from distil_dag_tests.stages.reading.recorders.test_spans import conversation, genai, otlp, records, span

USER = [{"role": "user", "content": "Turn it on."}]
ANSWER = {"role": "assistant", "tool_calls": [{"function": {"name": "on", "arguments": '{"n": 1}'}}]}


def test_what_waits_is_read_at_the_end_of_the_log(tmp_path):
    """The last log record of the samples has no span: it waits until the log ends."""
    path = SAMPLES / "opentelemetry-instrumentation-openai-v2.jsonl"
    task = task_of({"kind": "files", "path": str(path)})
    rows, quarantine, intake = load(task, tmp_path)
    assert len(rows) == 6
    assert len(quarantine) == 1
    assert intake.report().no_answers == {"part of another record": 7}
    traces, _ = read_traces(task, RunKey.parse("t.all"))
    assert [trace.id for trace in traces] == [row["id"] for row in rows]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_line_or_a_document_of_a_collector_may_be_of_any_length(tmp_path, indent):
    spans = [span(genai(**{"gen_ai.note": "x" * 300}), number) for number in range(1, 1501)]
    whole = json.dumps(otlp(*spans, scope="openlit"), indent=indent)
    assert len(whole) > 2**20
    more = json.dumps(otlp(span(genai(), 9999)))
    (tmp_path / "log.jsonl").write_text(f"{more}\n{whole}\n{more}\n" if indent is None else whole)
    task = task_of({"kind": "files", "path": str(tmp_path / "log.jsonl")})
    rows, quarantine, intake = load(task, tmp_path / "store")
    assert quarantine == []
    assert len(rows) == (1501 if indent is None else 1500)
    assert intake.report().no_answers == ({"a copy of an answer": 1} if indent is None else {})


def test_the_library_that_wrote_a_span_is_known_in_a_long_line(tmp_path):
    bare = {"gen_ai.operation.name": "chat", "gen_ai.note": "x" * 300}
    long = otlp(*(span(bare, number) for number in range(1500)), scope="pydantic-ai")
    (tmp_path / "log.jsonl").write_text(json.dumps(long) + "\n{}\n")
    task = task_of({"kind": "files", "path": str(tmp_path / "log.jsonl")})
    _, quarantine, _ = load(task, tmp_path / "store")
    settings = {row["reason"] for row in quarantine if row["reason"].startswith("content is not logged")}
    assert settings == {"content is not logged; set InstrumentationSettings(include_content=True)"}


def test_a_table_of_spans_is_read_with_the_columns_that_its_recorder_fills(tmp_path):
    rows = [
        {
            "name": "ChatCompletion", "context.trace_id": "a", "context.span_id": str(number), "other": "x",
            "attributes.openinference.span.kind": kind, "start_time": "2026-11-30T10:00:00Z",
            "attributes.llm.input_messages": [{"message.role": "user", "message.content": "Turn it on."}],
            "attributes.llm.output_messages": [{"message.role": "assistant", "message.tool_calls": [
                {"tool_call.function.name": "on", "tool_call.function.arguments": '{"n": 1}'}]}],
        }
        for number, kind in enumerate(("LLM", "AGENT", "LLM"))
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "spans.parquet")
    traces, quarantine, intake = load(
        task_of({"kind": "files", "path": str(tmp_path / "spans.parquet")}), tmp_path
    )
    assert [json.loads(row["calls"]) for row in traces] == [[{"name": "on", "arguments": {"n": 1}}]] * 2
    assert quarantine == []
    assert intake.report().no_answers == {"a span around calls of a model": 1}


def test_a_database_of_observations_is_read(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'log.db'}")
    columns = ("id", "trace_id", "type", "input", "output", "start_time", "end_time", "provided_model_name")
    table = sa.Table("observations", sa.MetaData(), *(sa.Column(name, sa.String) for name in columns))
    table.create(engine)
    with engine.begin() as connection:
        for number, kind in enumerate(("GENERATION", "SPAN", "GENERATION")):
            connection.execute(table.insert().values(
                id=f"o{number}", trace_id="t", type=kind, input=json.dumps(USER), output=json.dumps(ANSWER),
                start_time="2026-11-30 10:00:00", end_time="2026-11-30 10:00:01", provided_model_name="m-2",
            ))  # fmt: skip
    source = {"kind": "sql", "url": f"sqlite:///{tmp_path / 'log.db'}", "table": "observations"}
    rows, quarantine, _ = load(task_of({**source, "time_column": "start_time"}), tmp_path / "store")
    assert [(row["id"], row["model"], row["latency_ms"]) for row in rows] == [
        ("o0", "m-2", 1000),
        ("o2", "m-2", 1000),
    ]
    assert quarantine == []


def test_a_row_may_hold_the_spans_of_a_trace(tmp_path):
    trace = sample("mlflow-search-traces.jsonl", 2)
    columns = {name: json.dumps(trace[name]) for name in ("request", "response", "spans")}
    pq.write_table(
        pa.Table.from_pylist([{"trace_id": trace["trace_id"], **columns}]), tmp_path / "traces.parquet"
    )
    rows, quarantine, _ = load(task_of({"kind": "files", "path": str(tmp_path / "traces.parquet")}), tmp_path)
    assert quarantine == []
    (row,) = rows
    assert json.loads(row["calls"]) == [{"name": "set_light", "arguments": {"room": "den", "level": 40}}]


def test_parts_wait_in_bounded_memory(monkeypatch):
    monkeypatch.setattr(joining, "_MOST_WAITING", 3)
    starts = [records(*conversation(number)[:2]) for number in range(1, 6)]
    ends = [records(conversation(number)[2]) for number in range(3, 6)]
    log = read_log(*starts, *ends)
    # The two oldest had to leave before their answers came.
    assert len(log.traces) == 3
    assert log.reasons == ["no response"] * 2
    assert list(Joining().rest()) == []

"""What stands in a line: a record behind any wrapping, a broken one, or something else; never "no call"."""

import json

import pytest

from distil_dag.adapters.logs.apis.aggregators.lines import Lines, moment
from distil_dag.adapters.logs.intake import QUARANTINE, TRACES, Intake
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.aggregators.logged import call, line
from distil_dag_tests.adapters.logs.loaded_log import task_of
from distil_dag_tests.stages.reading.recorders.test_spans import genai, otlp, span

LINE = "a line that is no record of a call"


def read(*entries, run="t.all", **settings):
    """(traces, reasons of quarantine, other records) of entries, a minute apart."""
    task = task_of({"kind": "loki", "url": "http://loki", "query": "{}", **settings})
    lines, intake = Lines(task.settings.traces), Intake(task, RunKey.parse(run))
    records = [
        record
        for number, entry in enumerate(entries)
        for record in lines.records(entry, f"e{number}", f"2026-11-30T10:0{number}:00Z")
    ]
    rows = [intake.read(records), intake.rest()]
    traces = [row for table in rows if TRACES in table for row in table[TRACES].to_pylist()]
    quarantine = [
        row["reason"] for table in rows if QUARANTINE in table for row in table[QUARANTINE].to_pylist()
    ]
    return traces, quarantine, intake.report().no_answers


WRAPPED = {
    "the line itself": line(1),
    "an object": call(1),
    "a field of text": {"level": "info", "message": line(1), "trace_id": "4bf92f"},
    "an object in a field": {"level": "info", "message": call(1)},
    "Docker's log": {"log": line(1) + "\n", "stream": "stdout", "time": "2026-11-30T10:00:00Z"},
    "a logger in Docker's log": {"log": json.dumps({"level": "info", "msg": line(1)}), "stream": "stdout"},
    "ECS": {"@timestamp": "x", "ecs.version": "8", "message": "call done", "event": {"original": line(1)}},
    "a logger's context": {"message": "call done", "context": call(1), "channel": "app"},
    "a record with a note": call(1, message="the model was asked"),
    "a record with braces in a note": call(1, message="{model} was asked"),
}


@pytest.mark.parametrize("form", WRAPPED)
def test_a_record_is_found_behind_any_wrapping(form):
    traces, quarantine, others = read(WRAPPED[form])
    assert (quarantine, others) == ([], {})
    (row,) = traces
    assert json.loads(row["calls"]) == [{"name": "on", "arguments": {"n": 1}}]
    assert (row["id"], row["time"]) == ("e0", "2026-11-30T10:00:00Z")


@pytest.mark.parametrize(
    "entry",
    [
        "Started server process [1]",
        "[INFO] started",
        "[1, 2]",
        '"text"',
        "null",
        '{"level": "info", "message": "GET /health 200", "trace_id": "4bf92f"}',
        {"message": "GET /health 200", "host": {"name": "a"}, "attributes": {"x": 1}},
        {},
        "",
    ],
)
def test_what_is_no_record_is_counted_and_not_set_aside(entry):
    assert read(entry) == ([], [], {LINE: 1})


@pytest.mark.parametrize("entry", [line(1)[:-9], {"message": line(1)[:-9]}, {"log": '{"message": "{..."}'}])
def test_a_line_that_was_cut_is_set_aside(entry):
    assert read(entry) == ([], ["broken JSON"], {})


def test_a_line_that_is_too_long_is_set_aside():
    assert read(line(1, note="x" * 2**20)) == ([], ["larger than 1 MiB"], {})


def test_the_field_that_holds_a_record_can_be_named():
    entry = {"request": "GET /", "app": {"llm": line(2)}, "dotted.name": line(3), "message": line(1)}
    assert json.loads(read(entry, message="app.llm")[0][0]["calls"])[0]["arguments"] == {"n": 2}
    assert json.loads(read(entry, message="dotted.name")[0][0]["calls"])[0]["arguments"] == {"n": 3}
    assert read(entry, message="app.other") == ([], [], {LINE: 1})


def test_fields_of_other_names_are_known_by_the_tasks_columns():
    record = call(1)
    entry = {"prompt_json": record["request"], "answer_json": record["response"]}
    assert read(entry) == ([], [], {LINE: 1})
    traces, _, _ = read(entry, columns={"request": "prompt_json", "response": "answer_json"})
    assert len(traces) == 1


def test_spans_of_a_collector_keep_their_ids_and_are_cut_by_the_services_clock():
    spans = json.dumps(otlp(*(span(genai(), number) for number in (1, 2))))
    traces, quarantine, _ = read(spans)
    assert quarantine == []
    assert [row["id"][-2:] for row in traces] == ["01", "02"]
    window = "t.20261130T101000Z_20261130T095900Z"
    assert len(read(spans, run=window)[0]) == 2
    assert read(spans, run="t.20261130T095900Z_20261130T090000Z")[0] == []


def test_an_entry_that_comes_again_counts_once():
    task = task_of({"kind": "loki", "url": "http://loki", "query": "{}"})
    lines = Lines(task.settings.traces)
    assert len(list(lines.records(line(1), "a", "x"))) == 1
    assert list(lines.records(line(1), "a", "x")) == []


def test_a_moment_is_cut_and_not_rounded():
    assert moment(1764500399_999999999) == "2025-11-30T10:59:59.999999+00:00"

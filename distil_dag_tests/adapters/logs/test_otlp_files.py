"""OTLP in protobuf: every way in which collectors write it gives what OTLP/JSON of the same spans gives."""

import gzip
import json

import pytest

from distil_dag.adapters.logs.files import FileLog
from distil_dag.adapters.logs.intake import QUARANTINE, TRACES, Intake
from distil_dag.adapters.logs.otlp_files import framing_of
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.loaded_log import load, task_of
from distil_dag_tests.adapters.logs.protobuf_files import delimited, frames, message, zstd
from distil_dag_tests.stages.reading.recorders.samples import SAMPLES
from distil_dag_tests.stages.reading.recorders.test_spans import genai, otlp, span


def collected():
    """The lines of the samples that a collector has written, by their file."""
    for path in sorted(SAMPLES.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found = [line for line in lines if not {"resourceSpans", "resourceLogs"}.isdisjoint(line)]
        if found and path.stem != "index":
            yield path.stem, found


def read(path):
    """(traces, reasons of quarantine, other records) of a file."""
    task = task_of({"kind": "files", "path": str(path)})
    intake, log = Intake(task, RunKey.parse("t.all")), FileLog(task.settings.traces)
    traces, quarantine = [], []
    for page in [*(intake.read(page) for page in log.pages()), intake.rest()]:
        traces += page[TRACES].to_pylist() if TRACES in page else []
        quarantine += page[QUARANTINE].to_pylist() if QUARANTINE in page else []
    return traces, [(row["reason"], row["detail"]) for row in quarantine], intake.report().no_answers


@pytest.mark.parametrize(("recorder", "lines"), list(collected()))
def test_protobuf_gives_what_json_gives(tmp_path, recorder, lines):
    (tmp_path / "json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "proto").write_bytes(frames(*map(message, lines)))
    assert read(tmp_path / "proto") == read(tmp_path / "json")


LINES = [otlp(span(genai(), number)) for number in range(1, 4)]
MESSAGES = [message(line) for line in LINES]
WAYS = {
    "file exporter": frames(*MESSAGES),
    "file exporter, each message compressed": frames(*map(zstd, MESSAGES)),
    "file exporter, JSON compressed": frames(*(zstd(json.dumps(line).encode()) for line in LINES)),
    "file exporter, the file compressed": zstd(frames(*MESSAGES)),
    "specification": delimited(*MESSAGES),
    "one message": message(otlp(*(span(genai(), number) for number in range(1, 4)))),
    "one message, gzip": gzip.compress(message(otlp(*(span(genai(), number) for number in range(1, 4))))),
    "messages merged by being put together": b"".join(MESSAGES),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_framing_is_told_by_its_bytes(tmp_path, way):
    (tmp_path / "spans").write_bytes(WAYS[way])
    (tmp_path / "json").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    traces, quarantine, _ = read(tmp_path / "spans")
    assert (traces, quarantine) == (read(tmp_path / "json")[0], [])
    assert len(traces) == 3


def test_objects_of_the_s3_exporter_are_found_in_a_folder(tmp_path):
    for number, content in enumerate(MESSAGES):
        folder = tmp_path / "log" / f"year=2026/minute={number}"
        folder.mkdir(parents=True)
        (folder / "traces_1.binpb").write_bytes(content)
        (folder / "traces_2.binpb.gz").write_bytes(gzip.compress(content))
    rows, quarantine, intake = load(
        task_of({"kind": "files", "path": str(tmp_path / "log")}), tmp_path / "store"
    )
    assert len(rows) == 3
    assert quarantine == []
    assert intake.report().no_answers == {"a copy of an answer": 3}


def test_ids_and_times_are_those_of_the_span(tmp_path):
    (tmp_path / "spans").write_bytes(MESSAGES[0])
    (row,), _, _ = read(tmp_path / "spans")
    inner = LINES[0]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert row["id"] == f"{inner['traceId']}-{inner['spanId']}"
    assert row["time"]


def test_a_broken_message_loses_only_itself(tmp_path):
    broken = MESSAGES[1][:-40] + b"\xff" * 40
    (tmp_path / "spans").write_bytes(frames(MESSAGES[0], broken, b"\x00\x01\x02", MESSAGES[2]))
    traces, quarantine, _ = read(tmp_path / "spans")
    assert len(traces) == 2
    assert {reason for reason, _ in quarantine} == {"broken protobuf"}


def test_a_broken_span_loses_only_itself(tmp_path):
    whole = message(otlp(*(span(genai(), number) for number in range(1, 4))))
    names = [place for place in range(len(whole)) if whole.startswith(b"chat", place)]
    place = names[len(names) // 2]
    (tmp_path / "spans").write_bytes(whole[:place] + b"\xff\xfe\xff\xfe" + whole[place + 4 :])
    traces, quarantine, _ = read(tmp_path / "spans")
    assert len(traces) == 2
    assert quarantine == [("broken protobuf", "it is no span and no log record")]


@pytest.mark.parametrize("cut", [1, 3, 200])
def test_a_file_that_breaks_off_keeps_what_stands_before(tmp_path, cut):
    content = frames(*MESSAGES)
    (tmp_path / "spans").write_bytes(content[:-cut])
    traces, quarantine, _ = read(tmp_path / "spans")
    assert len(traces) == 2
    assert [reason for reason, _ in quarantine] == ["the file breaks off"]


def test_a_span_that_is_too_long_loses_only_itself(tmp_path):
    long = span(genai(**{"gen_ai.note": "x" * 2**20}), 1)
    (tmp_path / "spans").write_bytes(message(otlp(long, span(genai(), 2))))
    traces, quarantine, _ = read(tmp_path / "spans")
    assert len(traces) == 1
    assert quarantine == [("larger than 1 MiB", "")]


def test_a_message_of_any_length_is_read(tmp_path):
    spans = [span(genai(**{"gen_ai.note": "x" * 300}), number) for number in range(1, 1501)]
    content = message(otlp(*spans))
    assert len(content) > 2**20
    (tmp_path / "spans").write_bytes(content)
    traces, quarantine, _ = read(tmp_path / "spans")
    assert (len(traces), quarantine) == (1500, [])


def test_metrics_are_counted_as_other_records(tmp_path):
    point = {"asDouble": 1.5, "timeUnixNano": "1764500000000000000"}
    metric = {"name": "gen_ai.client.token.usage", "gauge": {"dataPoints": [point]}}
    line = {"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"scope": {}, "metrics": [metric]}]}]}
    (tmp_path / "metrics").write_bytes(frames(message(line)))
    assert read(tmp_path / "metrics") == ([], [], {"a span of something else": 1})


@pytest.mark.parametrize("content", [b"\n{}\n", b"\n\n\n[\n", b'\n \n\t{"messages": []}\n', b"\n" * 50])
def test_text_that_begins_with_line_breaks_is_no_protobuf(content):
    assert framing_of(content) is None

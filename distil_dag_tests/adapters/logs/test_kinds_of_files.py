"""Logs in the files that people have: each is read, or refused once with what it is."""

import bz2
import csv
import gzip
import io
import json
import lzma
import sqlite3
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from distil_dag.adapters.logs.case_file import read_case_file
from distil_dag.adapters.logs.file_kinds import OtherKind
from distil_dag.adapters.logs.files import FileLog
from distil_dag.adapters.logs.intake import QUARANTINE, TRACES, Intake
from distil_dag.adapters.logs.source import source_error
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.loaded_log import task_of

RECORDS = [
    {"id": f"r{n}", "messages": [{"role": "user", "content": f"turn\non {n}, \"now\""},
     {"role": "assistant", "tool_calls": [{"function": {"name": "on", "arguments": {"n": n}}}]}]}
    for n in range(5)
]  # fmt: skip
REQUESTS = [record["messages"][0]["content"] for record in RECORDS]


def read(path, **source):
    """(requests, quarantine) of the files at `path`."""
    task = task_of({"kind": "files", "path": str(path), **source})
    intake, log = Intake(task, RunKey.parse("t.all")), FileLog(task.settings.traces)
    try:
        found = intake.read(log.resource())
    except Exception as error:
        raise source_error(error) or error from None
    rows = [found[name].to_pylist() if name in found else [] for name in (TRACES, QUARANTINE)]
    return [row["request"] for row in rows[0]], rows[1]


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(content)
    return sink.getvalue().to_pybytes()


def table(delimiter=",", bom=False, spell=json.dumps, end="\n"):
    text = io.StringIO()
    rows = csv.writer(text, delimiter=delimiter, lineterminator=end)
    rows.writerow(["id", "messages", "latency_ms"])
    rows.writerows([record["id"], spell(record["messages"]), "12.5"] for record in RECORDS)
    return text.getvalue().encode("utf-8-sig" if bom else "utf-8")


def columns():
    return pa.table(
        {"id": [r["id"] for r in RECORDS], "messages": [json.dumps(r["messages"]) for r in RECORDS]}
    )


def arrow(write):
    sink = pa.BufferOutputStream()
    write(columns(), sink)
    return sink.getvalue().to_pybytes()


def stream(rows, sink):
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=2)


LINES = b"".join(json.dumps(record).encode() + b"\n" for record in RECORDS)
ARRAY = json.dumps(RECORDS).encode()
READ = {
    "log.jsonl": LINES,
    "array.json": ARRAY,
    "pretty.json": json.dumps(RECORDS, indent=2).encode(),
    "broken-lines.json": b"[" + b",\n".join(json.dumps(record).encode() for record in RECORDS) + b"]",
    "commas-first.json": b"[" + b"\n,".join(json.dumps(record).encode() for record in RECORDS) + b"\n]",
    "data.json": json.dumps({"object": "list", "data": RECORDS}).encode(),
    "traces.json": json.dumps({"traces": RECORDS, "next": None}, indent=4).encode(),
    "splits.json": json.dumps({"train": RECORDS[:2], "test": RECORDS[2:]}).encode(),
    "a-page-in-data.json": json.dumps({"status": "ok", "data": {"results": RECORDS, "total": 5}}).encode(),
    "pages.jsonl": b"\n".join(json.dumps({"runs": RECORDS[a:b]}).encode() for a, b in ((0, 2), (2, 5))),
    "one-behind-the-other.json": b"\n".join(json.dumps(record, indent=1).encode() for record in RECORDS),
    "named-as-lines.jsonl": b"\xef\xbb\xbf" + json.dumps(RECORDS, indent=2).encode(),
    "log.jsonl.gz": gzip.compress(LINES),
    "array.json.gz": gzip.compress(ARRAY),
    "two-members.jsonl.gz": gzip.compress(LINES[:100]) + gzip.compress(LINES[100:]),
    "log.jsonl.zst": zstd(LINES),
    "array.json.zst": zstd(ARRAY),
    "two-frames.jsonl.zst": zstd(LINES[:100]) + zstd(LINES[100:]),
    "log.jsonl.bz2": bz2.compress(LINES),
    "log.jsonl.xz": lzma.compress(LINES),
    "log.csv": table(),
    "excel.csv": table(";", bom=True, end="\r\n"),
    "log.tsv": table("\t"),
    "log.csv.gz": gzip.compress(table()),
    "pandas.csv": table(spell=str),
    "log.parquet": arrow(pq.write_table),
    "log.feather": arrow(feather.write_feather),
    "log.arrow": arrow(stream),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_file_of_this_kind_is_read(name, tmp_path):
    (tmp_path / name).write_bytes(READ[name])
    assert read(tmp_path) == (REQUESTS, [])
    other = tmp_path / "export"
    (tmp_path / name).rename(other)
    if not name.endswith(".tsv"):
        assert read(other) == (REQUESTS, [])


def office():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    return file.getvalue()


def tape():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("log.jsonl")
        info.size = len(LINES)
        archive.addfile(info, io.BytesIO(LINES))
    return file.getvalue()


def database():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE log (a)")
    return connection.serialize()


OTHERS = {
    "a workbook": (office(), "Excel workbook; unpack it, or save the sheet as CSV"),
    "a PDF": (b"%PDF-1.7\n", "PDF"),
    "a tape": (tape(), "a tar archive; unpack it"),
    "a compressed tape": (gzip.compress(tape()), "a tar archive"),
    "a database": (database(), "an SQLite database; read it by `kind: sql`"),
    "a page": (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "HTML or XML"),
    "UTF-16": (b"\xff\xfe" + LINES.decode().encode("utf-16-le"), "UTF-16; save it as UTF-8"),
    "a text": (b"2026-11-20 INFO started\n" * 100, "is no JSON; export it as JSON lines"),
    "foreign columns": (b"a,b\n1,2\n" * 50, "is no JSON"),
    "Parquet in gzip": (gzip.compress(READ["log.parquet"]), "columns inside gzip; decompress it"),
    "Parquet of another table": (
        arrow(lambda rows, sink: pq.write_table(rows.rename_columns(["a", "b"]), sink)),
        "has the columns a, b; none is one of request, response"),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_kind_is_refused_once_with_what_it_is(kind, tmp_path):
    content, said = OTHERS[kind]
    path = tmp_path / "export.json"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="export.json") as error:
        read(path)
    assert said in str(error.value)
    (tmp_path / "log.jsonl").write_bytes(LINES)
    requests, (row,) = read(tmp_path)
    assert requests == REQUESTS
    assert (row["source"], row["reason"]) == ("export.json", "a file of another kind")
    assert said[:40] in row["detail"]


def test_a_table_without_a_column_of_a_log_names_its_own(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("when,said\n1,2\n")
    with pytest.raises(SourceError, match="has the columns when, said; none is one of request"):
        read(path)
    path.write_bytes(table().replace(b"id,messages", b"id,turns"))
    assert read(path, columns={"messages": "turns"})[0] == REQUESTS


def test_a_broken_row_of_a_table_is_lost_alone(tmp_path):
    path = tmp_path / "log.csv"
    lines = table().decode().split("\n")
    rows = list(csv.reader(io.StringIO(table().decode())))
    assert len(rows) == 6
    rows[2] = rows[2][:1]
    rows[3][1] = "[{broken"
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    path.write_bytes(text.getvalue().encode() + b"r9,\xff,1\r\n")
    requests, quarantine = read(path)
    assert requests == [REQUESTS[0], *REQUESTS[3:]]
    assert [(row["position"], row["reason"]) for row in quarantine] == [
        ("row 2", "broken CSV"), ("row 3", "broken JSON"), ("row 6", "broken JSON"),
    ]  # fmt: skip
    assert lines


def test_a_broken_element_is_named_by_its_number(tmp_path):
    (tmp_path / "log.json").write_bytes(ARRAY.replace(b'"r3"', b'"r3'))
    requests, quarantine = read(tmp_path)
    assert requests[:3] == REQUESTS[:3]
    assert (quarantine[0]["position"], quarantine[0]["reason"]) == ("item 4", "broken JSON")


@pytest.mark.parametrize("compress", [gzip.compress, zstd, bz2.compress, lzma.compress])
def test_what_stands_before_the_end_of_a_broken_archive_is_read(compress, tmp_path):
    import random

    noise = random.Random(0)
    many = [{"question": f"{noise.random()}", "answer": "no"} for _ in range(40_000)]
    whole = compress("\n".join(map(json.dumps, many)).encode())
    (tmp_path / "log.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    requests, quarantine = read(tmp_path)
    assert 1000 < len(requests) < 40_000
    assert [row["reason"] for row in quarantine] == ["the file breaks off"]


def test_an_archive_that_breaks_off_in_its_first_block_is_not_empty(tmp_path):
    path = tmp_path / "log.jsonl.zst"
    path.write_bytes(zstd(LINES)[:-20])
    assert [row["reason"] for row in read(path)[1]] == ["the file breaks off"]
    path.write_bytes(zstd(b""))
    assert read(path) == ([], [])


def test_json_without_a_field_of_a_log_is_refused_once(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"level": "info", "text": "x", "by bob@example.com": 1}\n' * 3000)
    with pytest.raises(SourceError, match="has the fields level, text, by <EMAIL_1>; none is one of request"):
        read(path)
    path.write_text('{"level": "info"}\n' * 30 + LINES.decode())
    requests, quarantine = read(path)
    assert (requests, len(quarantine)) == (REQUESTS, 30)


def test_numbers_of_a_table_are_numbers(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(table())
    task = task_of({"kind": "files", "path": str(path)})
    rows = Intake(task, RunKey.parse("t.all")).read(FileLog(task.settings.traces).resource())[TRACES]
    assert rows["latency_ms"].to_pylist() == [12.5] * 5


@pytest.mark.parametrize(
    "name", [name for name in READ if name.split(".")[1] not in ("parquet", "feather", "arrow")]
)
def test_a_file_of_cases_is_of_any_kind(name, tmp_path):
    (tmp_path / name).write_bytes(READ[name])
    cases, problems = read_case_file(tmp_path / name, task_of({"kind": "files", "path": "x"}).toolset)
    assert problems == []
    assert [case.request for case in cases] == REQUESTS


def test_a_file_that_holds_no_cases_is_refused_once(tmp_path):
    for kind, (content, said) in OTHERS.items():
        if "Parquet" not in kind:
            (tmp_path / "cases.json").write_bytes(content)
            with pytest.raises(OtherKind) as error:
                read_case_file(tmp_path / "cases.json", task_of({"kind": "files", "path": "x"}).toolset)
            assert said in str(error.value)
    (tmp_path / "cases.json").write_bytes(READ["log.parquet"])
    with pytest.raises(OtherKind, match="typed columns; export it as JSON lines"):
        read_case_file(tmp_path / "cases.json", task_of({"kind": "files", "path": "x"}).toolset)

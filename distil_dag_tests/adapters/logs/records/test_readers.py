"""Other processes read a long log as this one would, and never outlive it."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from distil_dag.adapters.logs import source
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.logs.records.readers import read_by_others
from distil_dag.adapters.system.environment import SourceUnavailable
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.loaded_log import load, task_of
from distil_dag_tests.paths import ROOT

ROWS = 5_500  # several pages


def line(number):
    text = f"turn on {number}" + (f" and mail user{number}@example.com" if number % 50 == 0 else "")
    call = {"function": {"name": "on", "arguments": json.dumps({"n": number % 7})}}
    said = {"role": "assistant", "tool_calls": [call]} if number % 90 else {"role": "assistant"}
    tool = {"type": "function", "function": {"name": "on", "description": f"Version {number // 2_000}."}}
    record = {
        "id": f"row-{number % 5_000}",
        "request": {"tools": [tool],
                    "messages": [{"role": "system", "content": f"Agent {number % 3}."},
                                 {"role": "user", "content": text}]},
        "response": {"model": "m", "choices": [{"message": said}]},
    }  # fmt: skip
    return "{broken" if number % 400 == 0 else json.dumps(record)


def page(*numbers):
    return [RawRecord("log", f"row {number}", json.loads(line(number))) for number in numbers]


def readers():
    children = psutil.Process().children(recursive=True)
    return [one for one in children if any("read_records" in part for part in one.cmdline())]


@pytest.fixture
def task(tmp_path):
    path = tmp_path / "log.jsonl"
    samples = sorted((ROOT / "distil_dag_tests" / "trace_samples").glob("*.jsonl"))
    lines = [*map(line, range(ROWS)), *(text for one in samples for text in one.read_text().splitlines())]
    path.write_text("\n".join(lines))
    return task_of({"kind": "files", "path": str(path)})


def test_one_process_and_several_give_the_same_tables(task, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_SHORT_LOG", 1)
    found = []
    for count in (0, 1, 2):
        monkeypatch.setattr(source, "spare_cores", lambda count=count: count)
        rows, quarantine, intake = load(task, tmp_path / str(count))
        report = intake.report().model_dump(exclude={"context"})
        found.append((rows, quarantine, report, intake.digest, intake.preview))
        assert not readers()
    assert found[0] == found[1] == found[2]
    rows, quarantine, report, *_ = found[0]
    assert [row["id"] for row in rows[:3]] == ["row-1", "row-2", "row-3"]
    assert {"broken JSON", "duplicate id", "empty answer"} <= report["quarantined"].keys()
    assert report["redacted"]["EMAIL"] > 50
    assert report["no_answers"]
    versions = [version for version in report["tool_versions"] if version["tool"] == "on"]
    # Broken lines are no requests, nor are rows whose id was read before.
    assert [version["requests"] for version in versions] == [1_995, 1_995, 1_009]
    assert [version["change"] for version in versions] == ["", *["is described in other words"] * 2]


def test_a_short_log_starts_no_process(task, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("a process was started")

    monkeypatch.setattr(source, "read_by_others", refuse)
    monkeypatch.setattr(source, "spare_cores", lambda: 1)
    assert len(load(task, tmp_path / "store")[0]) > 4_000


def test_what_goes_wrong_in_a_process_is_told_with_its_place(task):
    wrong = [RawRecord("log", "row 7", 1)._replace(value=json.loads), "no record"]
    with pytest.raises(RuntimeError, match=r"log, row 6 to row 7 can't be read(?s:.*)AttributeError"):
        list(read_by_others(iter([[*page(6), "no record", *page(7)], wrong]), task, RunKey.parse("t.all"), 1))
    assert not readers()


def test_a_process_that_is_killed_is_told_of(task):
    def pages():
        yield page(1, 2)
        for one in readers():
            one.send_signal(signal.SIGKILL)
        yield page(3, 4)

    with pytest.raises(SourceUnavailable, match=r"was ended by SIGKILL, at log, row [13] to row [24]\."):
        list(read_by_others(pages(), task, RunKey.parse("t.all"), 1))
    assert not readers()


def test_a_reading_that_is_given_up_leaves_no_process(task):
    reading = read_by_others((page(number) for number in range(1, 100)), task, RunKey.parse("t.all"), 2)
    (outcome,) = next(reading)
    assert outcome.identity == "row-1"
    assert len(readers()) == 2
    reading.close()
    assert not readers()


ENDLESS = """
import itertools, sys
from distil_dag.adapters.logs.records.readers import read_by_others
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.loaded_log import task_of
from distil_dag_tests.adapters.logs.records.test_readers import page
task = task_of({"kind": "files", "path": "log.jsonl"})
for outcomes in read_by_others((page(1) for _ in itertools.count()), task, RunKey.parse("t.all"), 1):
    print(len(outcomes), flush=True)
"""


def test_a_process_ends_with_the_one_that_has_started_it():
    command = [sys.executable, "-c", ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ}) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"1\n"
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
    ended = time.monotonic() + 20
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < ended:
        time.sleep(0.05)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

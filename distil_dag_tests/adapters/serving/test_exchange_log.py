"""The log of exchanges: what it keeps, while its place answers, fails, hangs, and after a kill."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from distil_dag.adapters.serving.exchanges import background
from distil_dag.adapters.serving.exchanges.background import BackgroundLog
from distil_dag.adapters.serving.exchanges.files import FolderStore
from distil_dag.adapters.serving.exchanges.open_log import open_exchange_log
from distil_dag.adapters.serving.exchanges.reader import open_reader
from distil_dag.adapters.serving.exchanges.store import Refused
from distil_dag.adapters.system.environment import SourceError
from distil_dag.stages.serving.exchange import Exchange
from distil_dag_tests.conftest import Postgres
from distil_dag_tests.paths import ROOT
from distil_dag_tests.stages.serving.some_exchanges import BEGIN, alone, audited, exchange, shadowed

KINDS = ["sqlite", "postgres", "folder", "memory"]


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        name = f"e{uuid.uuid4().hex}"
        engine = sa.create_engine(server.url(), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        return server.url(name)
    return {
        "sqlite": str(tmp_path / "deep" / "log.sqlite"),
        "folder": str(tmp_path / "log"),
        "memory": f"memory://{uuid.uuid4().hex}/log",
    }[request.param]


class Place:
    """A place of exchanges that fails, hangs or refuses as a test tells it."""

    name, batch, linger = "the place", 10, 0.0

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.fails = False
        self.refused: set[str] = set()
        self.hangs = threading.Event()
        self.hangs.set()
        self.takes = 0.0

    def write(self, rows: Any) -> int:
        self.hangs.wait()
        time.sleep(self.takes)
        if self.fails:
            raise OSError("no route to host")
        if self.refused & {row["id"] for row in rows}:
            raise Refused("too odd")
        new = [row["id"] for row in rows if row["id"] not in self.kept]
        self.kept += new
        return len(new)

    def close(self) -> None:
        self.kept.append("closed")


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("address", KINDS, indirect=True)
def test_all_exchanges_are_read_as_they_were(address: str) -> None:
    """Also of a second process on the same place, and after a restart."""
    kept = [exchange(1, conversation="c"), shadowed(2), alone(3), audited(4), exchange(5, teacher=None)]
    for part in (kept[:2], kept[2:]):
        with open_exchange_log(address) as log:
            assert all(map(log.put, part))
        assert (log.written, log.dropped, log.waiting) == (len(part), 0, 0)
    reader = open_reader(address)
    found = reader.recent("t", 10)
    assert [one.id for one in found] == [one.id for one in kept]
    assert [(one.response, one.other, one.time, one.cost, one.agrees) for one in found] == [
        (one.response, one.other, one.time, one.cost, one.agrees) for one in kept
    ]
    assert reader.disagreeing("t", 10) == [kept[3]]
    assert [one.id for one in reader.recent("t", 2)] == [one.id for one in kept[3:]]
    assert reader.recent("other", 10) == []
    (hour,) = reader.hours("t", BEGIN)
    assert (hour.answered, hour.alone, hour.audited) == (5, 2, 1)
    assert (hour.heard_compared, hour.heard_agreed) == (1, 0)
    assert (hour.shadow_compared, hour.shadow_agreed) == (1, 1)
    assert (hour.start, hour.cost, hour.priced) == (BEGIN, 2.0, 4)
    assert reader.hours("t", BEGIN.replace(hour=11)) == []


@pytest.mark.parametrize("address", ["sqlite", "postgres"], indirect=True)
def test_an_id_that_comes_twice_is_counted(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with open_exchange_log(address) as log:
        for number in (1, 1, 2):
            log.put(exchange(number))
    assert (log.written, log.dropped) == (2, 1)
    assert "ids that the log knows already" in caplog.text


@pytest.mark.parametrize("address", KINDS, indirect=True)
def test_the_task_says_what_is_redacted(address: str) -> None:
    with open_exchange_log(address, ["t"]) as log:
        log.put(exchange(1, "Mail anna@example.com.", agrees=False))
        log.put(exchange(2, "Mail anna@example.com.", agrees=False, task="open"))
    reader = open_reader(address)
    said = [reader.disagreeing(task, 1)[0].request["messages"][0]["content"] for task in ("t", "open")]
    assert said == ["Mail <EMAIL_1>.", "Mail anna@example.com."]


def test_a_place_that_hangs_slows_no_answer_and_what_does_not_fit_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = Place()
    place.hangs.clear()
    log = BackgroundLog(place, bound=100)
    slowest = 0.0
    for number in range(150):
        begin = time.perf_counter()
        assert log.put(exchange(number)) is (number < 100)
        slowest = max(slowest, time.perf_counter() - begin)
    assert slowest < 0.05
    assert (log.dropped, log.waiting) == (50, 100)
    place.hangs.set()
    until(lambda: not log.waiting)
    log.close()
    assert place.kept == [*(exchange(number).id for number in range(100)), "closed"]
    assert "50 exchanges were dropped, since 100 waited already" in caplog.text


def test_what_fails_is_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    place = Place()
    place.fails = True
    with BackgroundLog(place) as log:
        for number in range(25):
            log.put(exchange(number))
        until(lambda: log.failures >= 2)
        place.fails = False
        until(lambda: not log.waiting)
    assert place.kept == [*(exchange(number).id for number in range(25)), "closed"]
    assert (log.written, log.dropped) == (25, 0)
    assert [record.message for record in caplog.records] == [
        "exchanges wait, up to 4096: the place failed: no route to host",
        "exchanges are written to the place again",
    ]


def test_one_that_is_refused_does_not_hold_up_the_others(caplog: pytest.LogCaptureFixture) -> None:
    place = Place()
    place.refused = {exchange(3).id}
    with BackgroundLog(place) as log:
        for number in range(6):
            log.put(exchange(number, request={"said": {"secret"}} if number == 4 else {}))
    assert place.kept == [*(exchange(number).id for number in (0, 1, 2, 5)), "closed"]
    assert (log.written, log.dropped) == (4, 2)
    assert "secret" not in caplog.text


def test_what_can_not_be_redacted_is_not_written() -> None:
    def fails(one: Exchange) -> Exchange:
        raise RuntimeError(str(one))

    place = Place()
    with BackgroundLog(place, fails) as log:
        log.put(exchange())
    assert place.kept == ["closed"]
    assert log.dropped == 1


def test_at_the_end_a_place_that_fails_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    place = Place()
    place.fails = True
    log = BackgroundLog(place, patience=0.3)
    for number in range(25):
        log.put(exchange(number))
    log.close()
    assert (log.dropped, log.waiting) == (25, 0)
    assert not log.put(exchange())
    assert "failed until the end" in caplog.text


def test_at_the_end_a_place_that_is_only_slow_gets_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_GRACE", 0.0)
    place = Place()
    place.takes = 0.05
    log = BackgroundLog(place, patience=0.2)
    for number in range(100):
        log.put(exchange(number))
    log.close()
    assert (log.written, log.dropped) == (100, 0)
    assert place.kept[-1] == "closed"


def test_at_the_end_a_place_that_hangs_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "_GRACE", 0.1)
    place = Place()
    place.hangs.clear()
    log = BackgroundLog(place, patience=0.1)
    for number in range(25):
        log.put(exchange(number))
    log.close()
    assert log.dropped == 25
    assert "does not answer: 25 exchanges are lost" in caplog.text
    place.hangs.set()


def test_of_a_write_that_fails_half_way_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path, largest=1)
    real = os.write
    budget = [100]

    def full(file: int, data: Any) -> int:
        if not budget[0]:
            raise OSError(28, "No space left on device")
        done = real(file, data[: budget[0]])
        budget[0] -= done
        return done

    with BackgroundLog(store) as log:
        log.put(exchange(1))
        until(lambda: log.written == 1)
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            log.put(exchange(2))
            until(lambda: log.failures > 0)
        until(lambda: log.written == 2)
    files = sorted(tmp_path.iterdir())
    assert [json.loads(path.read_text())["id"] for path in files] == [exchange(1).id, exchange(2).id]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


_WRITER = """
import sys
from distil_dag.adapters.serving.exchanges.open_log import open_exchange_log
from distil_dag_tests.stages.serving.some_exchanges import exchange
log = open_exchange_log(sys.argv[1])
number = int(sys.argv[2])
while True:
    if log.put(exchange(number)):
        number += 1
    if number % 50 == 0:
        print(log.written, flush=True)
"""


@pytest.mark.parametrize("address", ["sqlite", "folder"], indirect=True)
def test_after_a_kill_the_log_reads_and_goes_on(address: str) -> None:
    reader, told = None, 0
    for start in (0, 1_000_000):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, address, str(start)], stdout=subprocess.PIPE, cwd=ROOT, text=True
        )
        assert process.stdout is not None
        while (written := int(process.stdout.readline())) < 300:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        told += written
        reader = reader or open_reader(address)
        found = [one.id for one in reader.recent("t", 10**6)]
        assert len(found) == len(set(found)) >= told
        if start == 0:
            assert found == [exchange(number).id for number in range(len(found))]
    assert exchange(1_000_000).id in found


def test_sqlite_is_read_while_it_is_written_and_only_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with open_exchange_log(str(path)) as log:
        log.put(exchange())
        until(lambda: log.written == 1)
        assert path.stat().st_mode & 0o777 == 0o600
        with sqlite3.connect(path) as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert other.execute("SELECT count(*) FROM exchanges").fetchone() == (1,)
            log.put(exchange(2))
            until(lambda: log.written == 2)
        other.close()


def test_a_place_that_can_not_be_used_is_said_without_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD_OF_LOG", "hunter2")
    for address, said in (
        ("postgresql+psycopg2://u:${PGPASSWORD_OF_LOG}@127.0.0.1:1/x", "can't be written"),
        ("postgresql+psycopg2://u:hunter2@127.0.0.1:1/x", "can't be written"),
        ("sqlite:////proc/nowhere/log.sqlite", "can't be written"),
        ("/proc/nowhere/log", "can't be used"),
        ("nosuch://u:hunter2@host/x", "can't be used"),
        ("${NOT_SET}/x", "NOT_SET, which is not set"),
    ):
        with pytest.raises(SourceError, match=said) as caught:
            open_exchange_log(address)
        assert "serving.log" in str(caught.value)
        assert "hunter2" not in str(caught.value)
    other = tmp_path / "log.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE exchanges (id TEXT PRIMARY KEY, task TEXT, time TEXT)")
    connection.close()
    with pytest.raises(SourceError, match="lacks agrees, answered_by"):
        open_exchange_log(str(other))

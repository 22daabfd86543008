"""Grafana Loki, by a stand-in that keeps lines as Loki's documentation of its HTTP API says."""

import base64
import json
from datetime import UTC, datetime

import pytest

from distil_dag.adapters.logs.source import count_between
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.aggregators.logged import line, read
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.adapters.logs.loaded_log import load, task_of

START = int(datetime(2026, 11, 30, 10, tzinfo=UTC).timestamp()) * 10**9
HOUR = "t.20261130T110000Z_20261130T100000Z"


class Loki:
    """Lines of streams; `query_range` gives the oldest first, from `start` on and before `end`."""

    def __init__(self):
        self.lines = []
        self.written = lambda _: None

    def push(self, time, text, **labels):
        if (entry := (time, labels, text)) not in self.lines:
            self.lines.append(entry)

    def answer(self, asked):
        assert (asked.method, asked.path) == ("GET", "/loki/api/v1/query_range")
        start, end, limit = (int(asked.params[name]) for name in ("start", "end", "limit"))
        assert asked.params["direction"] == "forward"
        if limit > 5000:
            return Answer(b"max entries limit per query exceeded, limit > max_entries_limit", 400)
        if end - start > 30 * 24 * 3600 * 10**9 + 3600 * 10**9:
            return Answer(b"the query time range exceeds the limit", 400)
        found = sorted((entry for entry in self.lines if start <= entry[0] < end), key=lambda one: one[0])[
            :limit
        ]
        streams = {}
        for time, labels, text in found:
            streams.setdefault(json.dumps(labels), []).append([str(time), text])
        self.written(asked)
        result = [{"stream": json.loads(labels), "values": values} for labels, values in streams.items()]
        return Answer({"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}})


def source(loki, **settings):
    return {"kind": "loki", "url": loki.url, "query": '{app="agent"}', **settings}


@pytest.mark.parametrize("page_records", [3, 4, 7, 1000])
def test_pages_neither_lose_nor_double_lines_of_one_nanosecond(page_records):
    loki = Loki()
    for number in range(20):
        loki.push(START + number // 2 * 1000, line(number), pod=str(number % 3))
    with StandIn(loki.answer) as service:
        found = read(source(service, page_records=page_records), HOUR)
    assert sorted(found.numbers) == list(range(20))
    assert found.quarantine == []
    assert [number // 2 for number in found.numbers] == sorted(number // 2 for number in range(20))


def test_windows_are_complete_and_disjoint():
    loki = Loki()
    for number, time in enumerate(
        (START - 1, START, START + 1, START + 3600 * 10**9 - 1, START + 3600 * 10**9)
    ):
        loki.push(time, line(number))
    with StandIn(loki.answer) as service:
        hours = ("t.20261130T100000Z_20261130T090000Z", HOUR, "t.20261130T120000Z_20261130T110000Z")
        found = [read(source(service), run) for run in hours]
        again = read(source(service), HOUR)
    assert [one.numbers for one in found] == [[0], [1, 2, 3], [4]]
    assert again.traces == found[1].traces


def test_lines_that_are_written_while_pages_are_read_come_once():
    loki = Loki()
    for number in range(6):
        loki.push(START + number, line(number))

    def written(asked):
        # At the nanosecond where the page ends, and behind it.
        if len(loki.lines) == 6:
            loki.push(START + 2, line(6), pod="b")
            loki.push(START + 4, line(7), pod="b")

    loki.written = written
    with StandIn(loki.answer) as service:
        found = read(source(service, page_records=3), HOUR)
    assert sorted(found.numbers) == list(range(8))


def test_more_lines_of_one_nanosecond_than_a_page_holds_are_told():
    loki = Loki()
    for number in range(5):
        loki.push(START, line(number))
    with StandIn(loki.answer) as service, pytest.raises(SourceError, match="raise traces.page_records"):
        read(source(service, page_records=3), HOUR)


def test_an_empty_window_gives_nothing():
    with StandIn(Loki().answer) as service:
        assert read(source(service), HOUR) == ([], [], {})


def test_the_whole_log_is_asked_for_week_by_week():
    loki = Loki()
    now = int(datetime.now(UTC).timestamp()) * 10**9
    for number, days in enumerate((59, 20, 1)):
        loki.push(now - days * 24 * 3600 * 10**9, line(number))
    with StandIn(loki.answer) as service:
        assert read(source(service, days=60)).numbers == [0, 1, 2]
        assert read(source(service, days=30)).numbers == [1, 2]


def test_a_run_loads_the_same_rows_again(tmp_path):
    loki = Loki()
    for number in range(5):
        loki.push(START + number, line(number))
    loki.push(START + 9, "Started server process [1]")
    with StandIn(loki.answer) as service:
        task = task_of(source(service, page_records=2))
        rows, quarantine, intake = load(task, tmp_path / "first", HOUR)
        again, _, other = load(task, tmp_path / "second", HOUR)
    assert [json.loads(row["calls"])[0]["arguments"]["n"] for row in rows] == list(range(5))
    assert (quarantine, intake.report().read) == ([], 5)
    assert (again, other.digest) == (rows, intake.digest)


def test_a_sensor_counts_the_lines_of_a_window():
    loki = Loki()
    for number, time in enumerate((START - 1, START, START + 1)):
        loki.push(time, line(number))
    loki.push(START, "Started server process [1]")
    with StandIn(loki.answer) as service:
        key = RunKey.parse(HOUR)
        assert count_between(task_of(source(service)), key.since, key.until) == 2


def test_tenant_and_user_are_sent(monkeypatch):
    monkeypatch.setenv("LOKI_PASSWORD", "sesame-seed")
    with StandIn(Loki().answer) as service:
        read(source(service, tenant="team-a", user="42"), HOUR)
    sent = service.asked[0].headers
    assert sent["x-scope-orgid"] == "team-a"
    assert base64.b64decode(sent["authorization"].removeprefix("Basic ")) == b"42:sesame-seed"


def test_errors_say_what_loki_says_without_the_password(monkeypatch):
    monkeypatch.setenv("LOKI_PASSWORD", "sesame-seed")
    refused = Answer(b"parse error at line 1, col 2, not sesame-seed", 400)
    with (
        StandIn(lambda _: refused) as service,
        pytest.raises(SourceError, match="parse error at line 1") as told,
    ):
        read(source(service, user="42"), HOUR)
    assert "sesame-seed" not in str(told.value)
    assert not isinstance(told.value, SourceUnavailable)


def test_a_wrong_token_is_told_and_not_shown(monkeypatch):
    monkeypatch.setenv("LOKI_BEARER_TOKEN", "wrong-token-9")
    refused = Answer(b"no org id, wrong-token-9", 401)
    with StandIn(lambda _: refused) as service, pytest.raises(SourceError, match="401") as told:
        read(source(service, token="${LOKI_BEARER_TOKEN}"), HOUR)
    assert service.asked[0].headers["authorization"] == "Bearer wrong-token-9"
    assert "wrong-token-9" not in str(told.value)


def test_a_query_that_selects_no_lines_is_told():
    metric = Answer({"status": "success", "data": {"resultType": "matrix", "result": []}})
    with StandIn(lambda _: metric) as service, pytest.raises(SourceError, match="gives a matrix"):
        read(source(service), HOUR)


def test_a_limit_of_requests_is_waited_for(monkeypatch):
    waits = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    loki = Loki()
    loki.push(START, line(1))
    answers = [Answer(b"too many outstanding requests", 429, {"Retry-After": "7"})]
    with StandIn(lambda asked: answers.pop() if answers else loki.answer(asked)) as service:
        assert read(source(service), HOUR).numbers == [1]
    assert 7 in waits

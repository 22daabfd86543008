"""Any API by configuration: what is asked of it, and what becomes of its answers."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from distil_dag.adapters.logs.source import count_between, open_log, read_traces
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable
from distil_dag.core.run_key import RunKey
from distil_dag.core.run_plan import BEGINNING
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.adapters.logs.loaded_log import load, task_of

ALL = RunKey.parse("t.all")
GRANT = "client_credentials"
START = datetime(2026, 11, 1, tzinfo=UTC)


def record(number, at=None):
    call = {"type": "function", "function": {"name": "on", "arguments": json.dumps({"n": number})}}
    return {
        "id": f"r{number:03}",
        "created_at": (at or START + timedelta(minutes=number)).isoformat(),
        "messages": [
            {"role": "user", "content": f"switch {number} on"},
            {"role": "assistant", "tool_calls": [call]},
        ],
    }


def rest(url, **settings):
    return task_of({"kind": "rest", "url": url, "paginator": {"type": "single_page"}, **settings})


def ids(task, key=ALL):
    return [trace.id for trace in read_traces(task, key)[0]]


def by_cursor(records, size=2):
    """A stand-in's answer: `size` records behind the one that `after` names."""

    def answer(asked):
        start = int(asked.params.get("after", 0))
        more = start + size < len(records)
        page = records[start : start + size]
        return Answer({"data": page, "meta": {"next": str(start + size) if more else None}})

    return answer


CURSOR = {"type": "cursor", "cursor_path": "meta.next", "cursor_param": "after"}


def test_pages_become_traces_and_land_in_the_store(tmp_path):
    with StandIn(by_cursor([record(n) for n in range(5)])) as service:
        rows, quarantine, _ = load(rest(service.url, path="logs", paginator=CURSOR), tmp_path)
    assert [row["id"] for row in rows] == [f"r{n:03}" for n in range(5)]
    assert not quarantine
    assert [asked.path for asked in service.asked] == ["/logs"] * 3


@pytest.mark.parametrize(
    ("form", "since"),
    [
        ("iso", "2026-11-01T00:00:59Z"),
        ("seconds", 1793491259),
        ("milliseconds", 1793491259000),
        ("nanoseconds", 1793491259000000000),
    ],
)
def test_a_window_is_asked_for_and_cut_at_its_ends(form, since):
    records = [record(n) for n in range(6)]
    asking = {"from": "{since}", "to": "{until}", "span": "{since}/{until}", "kind": "llm"}
    key = RunKey("t", START + timedelta(minutes=1), START + timedelta(minutes=4))
    with StandIn(lambda asked: Answer(records)) as service:
        source = {"time_column": "created_at", "times": form, "params": asking, "method": "POST"}
        task = rest(service.url, body={"query": asking}, **source)
        assert ids(task, key) == ["r001", "r002", "r003"]
        assert len(ids(task)) == 6
    windowed, whole = service.asked
    assert windowed.body["query"]["from"] == since
    assert windowed.params["from"] == str(since)
    assert whole.params == {"kind": "llm"}
    assert whole.body == {"query": {"kind": "llm"}}


def test_a_window_needs_the_column_of_times():
    task = rest("http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"traces\.time_column is not set"):
        read_traces(task, RunKey("t", START, START + timedelta(days=1)))


def test_the_sensor_counts_what_a_window_holds():
    with StandIn(by_cursor([record(n) for n in range(6)])) as service:
        task = rest(service.url, time_column="created_at", paginator=CURSOR)
        assert count_between(task, START + timedelta(minutes=1), START + timedelta(minutes=4)) == 3


def test_records_that_are_no_objects_are_quarantined(tmp_path):
    page = ["a text", ["a list"], 7, None, record(1)]
    with StandIn(lambda asked: Answer({"data": page})) as service:
        rows, quarantine, _ = load(rest(service.url), tmp_path)
    assert [row["id"] for row in rows] == ["r001"]
    assert [row["reason"] for row in quarantine] == ["wrong type"] * 4
    assert [row["position"] for row in quarantine] == [f"record {n}" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("header", ["2", "date"])
def test_429_waits_as_long_as_it_is_told(monkeypatch, header):
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30)) if header == "date" else header
    answers = [Answer({}, 429, {"Retry-After": later}), Answer([record(1)])]
    with StandIn(lambda asked: answers.pop(0)) as service:
        assert ids(rest(service.url)) == ["r001"]
    assert waited == [2] if header == "2" else 25 < waited[0] <= 30


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_that_stays_away_is_unavailable(monkeypatch, status):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with (
        StandIn(lambda asked: Answer({"error": "busy"}, status)) as service,
        pytest.raises(SourceUnavailable, match=f"answers {status}"),
    ):
        ids(rest(service.url))
    assert len(service.asked) == 5


def test_a_connection_that_breaks_is_tried_again(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    answers = [Answer(b"[", headers={"Content-Length": "90", "Connection": "close"}), Answer([record(1)])]
    with StandIn(lambda asked: answers.pop(0)) as service:
        assert ids(rest(service.url)) == ["r001"]


def test_nobody_there_is_unavailable(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with StandIn(lambda asked: Answer([])) as service:
        pass
    with pytest.raises(SourceUnavailable, match="ConnectionError"):
        ids(rest(service.url))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer({}, 401), "401 Unauthorized, it does not know the keys: check the variables"),
        (Answer({}, 403), "403 Forbidden, the keys have no right"),
        (Answer({}, 404), "404 Not Found, nothing is there: check traces.url"),
        (Answer({"error": "no such filter"}, 400), '400 Bad Request: {"error": "no such filter"}'),
        (Answer(b"<!DOCTYPE html><p>Sign in"), "gives no JSON but a page of HTML: <!DOCTYPE html><p>Sign in"),
        (Answer(b"gone fishing"), "gives no JSON but a text: gone fishing"),
        (Answer(b""), "gives no JSON but nothing"),
    ],
)
def test_what_no_later_try_mends_says_what_to_do(answer, said):
    with StandIn(lambda asked: answer) as service, pytest.raises(SourceError) as error:
        ids(rest(service.url))
    assert said in str(error.value)
    assert not isinstance(error.value, SourceUnavailable)
    assert len(service.asked) == 1


def test_a_place_without_records_is_told():
    with StandIn(lambda asked: Answer({"items": [record(1)], "total": 1})) as service:
        with pytest.raises(SourceError, match=r"traces\.records: nothing stands at 'rows' .*items, total"):
            ids(rest(service.url, records="rows"))
        assert ids(rest(service.url, records="items[*]")) == ["r001"]
    with StandIn(lambda asked: Answer({"items": []})) as service:
        assert ids(rest(service.url, records="items[*]")) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"paginator": {"type": "by magic"}}, r"traces\.paginator can't be used"),
        ({"records": "$.["}, r"traces\.records: '\$\.\[' is no JSONPath"),
        ({"auth": {"type": "by magic"}}, r"traces\.auth can't be used"),
        ({"headers": {"X-Key": "${NOT_SET_ANYWHERE}"}}, r"traces\.headers\.X-Key needs .*NOT_SET_ANYWHERE"),
        ({"url": "ftp://host"}, r"traces\.url: ftp://host is no address of a service"),
    ],
)
def test_settings_that_can_not_be_used(settings, said):
    with pytest.raises(SourceError, match=said):
        open_log(rest(**{"url": "http://127.0.0.1:9", **settings}))


@pytest.mark.parametrize("records", [[record(1)], []])
def test_a_cursor_that_does_not_advance_ends(records):
    page = {"data": records, "meta": {"next": "same"}}
    with StandIn(lambda asked: Answer(page)) as service, pytest.raises(SourceError, match="pages repeat"):
        ids(rest(service.url, paginator=CURSOR, records="data"))
    assert len(service.asked) < 5


def test_a_page_that_comes_whatever_is_asked_ends():
    paginator = {"type": "offset", "limit": 1, "total_path": None}
    with (
        StandIn(lambda asked: Answer({"data": [record(1)]})) as service,
        pytest.raises(SourceError, match="pages repeat"),
    ):
        ids(rest(service.url, paginator=paginator))
    assert len(service.asked) < 8


def test_requests_keep_the_pace(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def sleep(seconds):
        now[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    with StandIn(by_cursor([record(n) for n in range(8)])) as service:
        assert len(ids(rest(service.url, paginator=CURSOR, requests_per_minute=6))) == 8
    assert len(service.asked) == 4
    assert now[0] == pytest.approx(130)


def test_a_service_that_is_too_slow_is_unavailable(monkeypatch):
    monkeypatch.setattr("distil_dag.adapters.logs.apis.client._TIMEOUT", (1.0, 0.05))
    monkeypatch.setattr("distil_dag.adapters.logs.apis.client._ATTEMPTS", 2)
    release = threading.Event()

    def answer(asked):
        release.wait(5)
        return Answer([])

    with StandIn(answer) as service:
        with pytest.raises(SourceUnavailable, match="ReadTimeout"):
            ids(rest(service.url))
        release.set()
    assert len(service.asked) == 2


def test_a_proxy_is_asked_where_the_environment_names_one(monkeypatch):
    with StandIn(lambda asked: Answer([record(1)])) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert ids(rest("http://logs.example.com/v1", path="calls")) == ["r001"]
    assert proxy.asked[0].headers["host"] == "logs.example.com"
    assert proxy.asked[0].path == "/v1/calls"


def test_a_token_is_got_before_records_are(monkeypatch):
    monkeypatch.setenv("SERVICE_KEY", "th3-s3cr3t")

    def answer(asked):
        if asked.path == "/token":
            assert asked.body == {"client_id": "me", "client_secret": "th3-s3cr3t", "grant_type": GRANT}
            return Answer({"access_token": "got", "expires_in": 60})
        return Answer([record(1)]) if asked.headers.get("authorization") == "Bearer got" else Answer({}, 401)

    with StandIn(answer) as service:
        auth = {"type": "oauth2_client_credentials", "access_token_url": f"{service.url}/token"}
        auth |= {"client_id": "me", "client_secret": "${SERVICE_KEY}"}
        assert ids(rest(service.url, auth=auth)) == ["r001"]


def test_a_token_that_is_refused_is_told_without_the_secret(monkeypatch):
    monkeypatch.setenv("SERVICE_KEY", "th3-s3cr3t")
    with StandIn(lambda asked: Answer({"wrong": asked.body}, 401)) as service:
        auth = {"type": "oauth2_client_credentials", "access_token_url": f"{service.url}/token"}
        auth |= {"client_id": "me", "client_secret": "${SERVICE_KEY}"}
        with pytest.raises(SourceError, match="answers 401 Unauthorized, it does not know the keys") as error:
            ids(rest(service.url, auth=auth))
    assert "th3-s3cr3t" not in str(error.value)


def test_json_that_is_nested_for_ever_is_told():
    with (
        StandIn(lambda asked: Answer(b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}")) as service,
        pytest.raises(SourceError, match="RecursionError"),
    ):
        ids(rest(service.url))


def test_a_record_that_is_nested_deep_is_set_aside_alone(tmp_path):
    deep = b'{"id": 1, "messages": ' + b"[" * 400 + b"]" * 400 + b"}"
    page = b"[" + deep + b", " + deep + b"," + json.dumps(record(1)).encode() + b"]"
    with StandIn(lambda asked: Answer(page)) as service:
        rows, quarantine, _ = load(rest(service.url), tmp_path)
    assert [row["id"] for row in rows] == ["r001"]
    assert len(quarantine) == 1


def test_a_run_from_the_beginning_asks_for_no_time_before_it():
    with StandIn(lambda asked: Answer([record(1)])) as service:
        task = rest(service.url, time_column="created_at", times="seconds", params={"from": "{since}"})
        assert ids(task, RunKey("t", BEGINNING, START + timedelta(days=1))) == ["r001"]
    assert service.asked[0].params == {"from": "0"}


@pytest.mark.parametrize(
    "page", [[record(1)], {"data": [record(1)]}, {"data": [record(1)], "has_more": True}]
)
def test_a_page_that_may_be_the_first_of_many_is_not_all(page):
    with StandIn(lambda asked: Answer(page)) as service:
        with pytest.raises(SourceError, match=r"how its pages go on: set traces\.paginator"):
            ids(rest(service.url, paginator=None))
        assert ids(rest(service.url)) == ["r001"]


def test_an_answer_says_that_it_is_the_last():
    with StandIn(lambda asked: Answer({"data": [record(1)], "meta": {"next": None}})) as service:
        assert ids(rest(service.url, paginator=None)) == ["r001"]


def test_pages_go_on_as_an_answer_says():
    records = [record(n) for n in range(5)]

    def answer(asked):
        start = int(asked.params.get("start", 0))
        link = f"/logs?start={start + 2}" if start + 2 < len(records) else None
        return Answer({"results": records[start : start + 2], "next": link})

    with StandIn(answer) as service:
        assert ids(rest(service.url, path="logs", paginator=None)) == [one["id"] for one in records]

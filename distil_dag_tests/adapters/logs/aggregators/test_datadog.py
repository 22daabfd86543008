"""Datadog's logs, by a stand-in that speaks the documented API of POST /api/v2/logs/events/search."""

import json
from datetime import datetime

import pytest

from distil_dag.adapters.system.environment import SourceError, SourceUnavailable
from distil_dag_tests.adapters.logs.aggregators.logged import call, line, read
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn

HOUR = "t.20261130T110000Z_20261130T100000Z"
KEYS = {"DD_API_KEY": "api-key-1", "DD_APP_KEY": "app-key-1"}


class Datadog:
    """Events in the order of time and id; a cursor goes on behind the last one that was given."""

    def __init__(self):
        self.events = []
        self.headers = {}
        self.meta = {}
        self.given = lambda: None

    def add(self, number, time, message=None, **attributes):
        held = {"timestamp": time, "service": "agent", "status": "info", "tags": [], "attributes": attributes}
        if message is not None:
            held["message"] = message
        self.events.append({"id": f"AQ{number:04}", "type": "log", "attributes": held})

    def answer(self, asked):
        assert (asked.method, asked.path) == ("POST", "/api/v2/logs/events/search")
        sent = (asked.headers.get("dd-api-key"), asked.headers.get("dd-application-key"))
        if sent != tuple(KEYS.values()):
            return Answer({"errors": ["Forbidden"]}, 403)
        body = asked.body
        if body["page"]["limit"] > 1000:
            return Answer({"errors": ["limit"]}, 400)
        assert body["sort"] == "timestamp"
        since, until = (datetime.fromisoformat(body["filter"][name]) for name in ("from", "to"))
        found = [
            event
            for event in sorted(self.events, key=lambda one: (one["attributes"]["timestamp"], one["id"]))
            if since <= datetime.fromisoformat(event["attributes"]["timestamp"]) <= until
        ]
        if cursor := body["page"].get("cursor"):
            found = [one for one in found if [one["attributes"]["timestamp"], one["id"]] > json.loads(cursor)]
        page = found[: body["page"]["limit"]]
        meta = {"status": "done", "elapsed": 1, **self.meta}
        if len(found) > len(page):
            meta["page"] = {"after": json.dumps([page[-1]["attributes"]["timestamp"], page[-1]["id"]])}
        self.given()
        return Answer({"data": page, "meta": meta}, headers=self.headers)


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def source(service, **settings):
    return {"kind": "datadog", "url": service.url, "query": "service:agent", **settings}


def test_records_are_read_page_by_page_from_text_and_from_attributes():
    datadog = Datadog()
    for number in range(7):
        time = f"2026-11-30T10:0{number // 2}:00.000Z"
        if number % 2:
            datadog.add(number, time, **call(number))
        else:
            datadog.add(number, time, line(number))
    datadog.add(8, "2026-11-30T10:05:00Z", "Started server process [1]")
    with StandIn(datadog.answer) as service:
        found = read(source(service, page_records=2, indexes=["main"]), HOUR)
    assert found.numbers == list(range(7))
    assert [row["id"] for row in found.traces] == [f"AQ{number:04}" for number in range(7)]
    assert found.traces[6]["time"] == "2026-11-30T10:03:00Z"
    assert found.quarantine == []
    assert found.others == {"a line that is no record of a call": 1}
    assert service.asked[0].body["filter"]["indexes"] == ["main"]


def test_windows_are_complete_and_disjoint():
    datadog = Datadog()
    for number, time in enumerate(("09:59:59.999", "10:00:00.000", "10:59:59.999", "11:00:00.000")):
        datadog.add(number, f"2026-11-30T{time}Z", line(number))
    with StandIn(datadog.answer) as service:
        hours = ("t.20261130T100000Z_20261130T090000Z", HOUR, "t.20261130T120000Z_20261130T110000Z")
        assert [read(source(service), run).numbers for run in hours] == [[0], [1, 2], [3]]


def test_events_that_come_while_pages_are_read_lose_and_double_none():
    datadog = Datadog()
    for number in range(5):
        datadog.add(number, f"2026-11-30T10:0{number}:00Z", line(number))
    late = iter([(9, "2026-11-30T10:01:00Z"), (10, "2026-11-30T10:04:30Z")])

    def given():
        for number, time in [next(late, None)] if len(datadog.events) < 7 else []:
            datadog.add(number, time, line(number))

    datadog.given = given
    with StandIn(datadog.answer) as service:
        numbers = read(source(service, page_records=2), HOUR).numbers
    assert set(range(5)) <= set(numbers)
    assert len(numbers) == len(set(numbers))


def test_a_wrong_key_is_told_and_not_shown(monkeypatch):
    monkeypatch.setenv("DD_APP_KEY", "wrong-key-9")
    with StandIn(Datadog().answer) as service, pytest.raises(SourceError, match="403") as told:
        read(source(service), HOUR)
    assert "wrong-key-9" not in str(told.value)
    assert not isinstance(told.value, SourceUnavailable)


def test_a_missing_key_names_its_variable(monkeypatch):
    monkeypatch.delenv("DD_APP_KEY")
    with pytest.raises(SourceError, match="DD_APP_KEY, which is not set"):
        read({"kind": "datadog"})


def test_the_site_says_the_address():
    from distil_dag.adapters.logs.apis.registry import service_of
    from distil_dag.core.api_sources import DatadogSource

    assert service_of(DatadogSource(kind="datadog", site="datadoghq.eu")).url == "https://api.datadoghq.eu"


def test_pages_that_never_end_are_told():
    same = Answer({"data": [], "meta": {"status": "done", "page": {"after": "c"}}})
    with StandIn(lambda _: same) as service, pytest.raises(SourceUnavailable, match="page after page"):
        read(source(service), HOUR)


def test_a_search_that_ended_early_is_no_whole_window():
    datadog = Datadog()
    datadog.meta = {"status": "timeout"}
    with StandIn(datadog.answer) as service, pytest.raises(SourceUnavailable, match="did not finish"):
        read(source(service), HOUR)


def test_an_index_that_is_not_there_is_told():
    datadog = Datadog()
    datadog.meta = {"warnings": [{"code": "unknown_index", "title": "unknown", "detail": "indexes: foo"}]}
    with StandIn(datadog.answer) as service, pytest.raises(SourceError, match="indexes: foo"):
        read(source(service), HOUR)


def test_the_next_period_is_waited_for_where_this_one_is_used_up(monkeypatch):
    waits = []
    monkeypatch.setattr("distil_dag.adapters.logs.apis.aggregators.datadog.time.sleep", waits.append)
    datadog = Datadog()
    datadog.headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "42", "X-RateLimit-Limit": "2"}
    for number in range(3):
        datadog.add(number, f"2026-11-30T10:0{number}:00Z", line(number))
    with StandIn(datadog.answer) as service:
        assert read(source(service, page_records=2), HOUR).numbers == [0, 1, 2]
    assert 42 in waits


def test_the_whole_log_goes_back_as_far_as_is_said():
    with StandIn(Datadog().answer) as service:
        assert read(source(service, days=3)) == ([], [], {})
    asked = service.asked[0].body["filter"]
    days = datetime.fromisoformat(asked["to"]) - datetime.fromisoformat(asked["from"])
    assert days.days == 3

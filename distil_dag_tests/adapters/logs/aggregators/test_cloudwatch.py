"""CloudWatch Logs, by moto's stand-in of AWS."""

import sys
from datetime import datetime

import boto3
import pytest
from moto import mock_aws

from distil_dag.adapters.system.environment import SourceError, SourceUnavailable
from distil_dag_tests.adapters.logs.aggregators.logged import line, read
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn

GROUP = "/ecs/agent"
HOUR = "t.20261130T110000Z_20261130T100000Z"


@pytest.fixture
def logs(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "sesame-seed")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        client = boto3.client("logs")
        client.create_log_group(logGroupName=GROUP)
        yield client


def put(client, stream, *events):
    """Write (time of 2026-11-30, text) to a stream."""
    if not client.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=stream)["logStreams"]:
        client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    sent = [
        {
            "timestamp": round(datetime.fromisoformat(f"2026-11-30T{time}+00:00").timestamp() * 1000),
            "message": text,
        }
        for time, text in events
    ]
    client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=sent)


def source(**settings):
    return {"kind": "cloudwatch", "log_group": GROUP, **settings}


@pytest.mark.parametrize("page_records", [1, 3, 1000])
def test_events_of_all_streams_are_read_page_by_page(logs, page_records):
    for number in range(10):
        put(logs, f"agent/{number % 2}", (f"10:0{number // 4}:00.123", line(number)))
    put(logs, "agent/0", ("10:05:00", "Started server process [1]"), ("10:06:00", line(11)[:-9]))
    found = read(source(page_records=page_records), HOUR)
    assert sorted(found.numbers) == list(range(10))
    assert {row["time"] for row in found.traces} >= {"2026-11-30T10:00:00.123000Z"}
    assert len({row["id"] for row in found.traces}) == 10
    assert [row["reason"] for row in found.quarantine] == ["broken JSON"]
    assert found.others == {"a line that is no record of a call": 1}


def test_windows_are_complete_and_disjoint(logs):
    times = ("09:59:59.999", "10:00:00.000", "10:59:59.999", "11:00:00.000")
    put(logs, "a", *((time, line(number)) for number, time in enumerate(times)))
    hours = ("t.20261130T100000Z_20261130T090000Z", HOUR, "t.20261130T120000Z_20261130T110000Z")
    assert [read(source(), run).numbers for run in hours] == [[0], [1, 2], [3]]
    assert read(source()).numbers == [0, 1, 2, 3]
    assert read(source(), HOUR).traces == read(source(), HOUR).traces


def test_a_pattern_narrows_what_is_read(logs):
    put(logs, "agent/1", ("10:00:00", line(1)), ("10:00:01", line(2)))
    assert read(source(filter_pattern='"Turn 2 on"')).numbers == [2]


def test_a_stream_prefix_and_an_arn_are_sent_as_aws_names_them(logs):
    """Moto knows neither."""
    arn = f"arn:aws:logs:eu-central-1:123456789012:log-group:{GROUP}"
    with StandIn(lambda _: Answer({"events": []})) as service:
        read(source(url=service.url, stream_prefix="agent/", log_group=arn), HOUR)
    (asked,) = service.asked
    assert asked.headers["x-amz-target"] == "Logs_20140328.FilterLogEvents"
    assert asked.body["logStreamNamePrefix"] == "agent/"
    assert asked.body["logGroupIdentifier"] == arn
    ends = [datetime.fromisoformat(f"2026-11-30T{hour}:00:00+00:00") for hour in (10, 11)]
    assert [asked.body[name] for name in ("startTime", "endTime")] == [
        int(end.timestamp() * 1000) for end in ends
    ]


def test_an_empty_window_gives_nothing(logs):
    assert read(source(), HOUR) == ([], [], {})


def test_a_group_that_is_not_there_is_told(logs):
    with pytest.raises(SourceError, match="/ecs/agnet.*ResourceNotFoundException") as told:
        read(source(log_group="/ecs/agnet"))
    assert not isinstance(told.value, SourceUnavailable)


def test_without_a_region_the_variable_is_named(logs, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SourceError, match="AWS_REGION"):
        read(source())


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [("AccessDeniedException", 400, SourceError), ("InternalServerError", 500, SourceUnavailable)],
)
def test_what_aws_refuses_is_told_without_its_keys(monkeypatch, code, status, kind):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sesame-seed")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame-oil")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    refused = Answer({"__type": code, "message": "User is not authorized"}, status)
    with StandIn(lambda _: refused) as service, pytest.raises(SourceError, match=code) as told:
        read(source(url=service.url, region="eu-central-1"))
    assert type(told.value) is kind
    assert "sesame" not in str(told.value)


def test_a_service_that_is_asked_too_often_is_asked_again(logs, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    event = {"eventId": "e1", "timestamp": 1796032800000, "message": line(1), "logStreamName": "a"}
    answers = [Answer({"events": [event]}), Answer({"__type": "ThrottlingException", "message": "Rate"}, 400)]
    with StandIn(lambda _: answers.pop()) as service:
        assert read(source(url=service.url)).numbers == [1]


def test_a_service_that_is_not_there_may_come_back(logs, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(SourceUnavailable, match="Could not connect"):
        read(source(url="http://127.0.0.1:9", region="eu-central-1"))


def test_without_awss_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(SourceError, match=r"distil_dag\[aws\]"):
        read(source())

"""Any other aggregator by configuration alone: results of a search job, in the form of Splunk's."""

import re
from datetime import UTC, datetime

import pytest
import yaml

from distil_dag.adapters.system.environment import SourceError
from distil_dag_tests.adapters.logs.aggregators.logged import line, read
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.paths import ROOT

HOUR = "t.20261130T110000Z_20261130T100000Z"


class Splunk:
    """The results of one job, a page of them by `offset` and `count`, narrowed by a search behind it."""

    def __init__(self):
        self.events = []

    def add(self, number, time, text):
        self.events.append({"_cd": f"1:{number}", "_time": time, "_raw": text, "sourcetype": "agent"})

    def answer(self, asked):
        if asked.headers.get("authorization") != "Splunk sesame-seed":
            return Answer({"messages": [{"type": "WARN", "text": "call not properly authenticated"}]}, 401)
        assert asked.path == "/services/search/v2/jobs/agent/results"
        assert asked.params["output_mode"] == "json"
        found = self.events
        if search := asked.params.get("search"):
            since, until = map(int, re.fullmatch(r"where _time>=(\d+) AND _time<(\d+)", search).groups())
            moments = [datetime.fromisoformat(event["_time"]).timestamp() for event in found]
            found = [event for event, moment in zip(found, moments, strict=True) if since <= moment < until]
        offset, count = int(asked.params["offset"]), int(asked.params["count"])
        page = found[offset : offset + count]
        return Answer(
            {"preview": False, "init_offset": offset, "results": page, "fields": [{"name": "_raw"}]}
        )


@pytest.fixture
def settings(monkeypatch):
    """What the guide says."""
    monkeypatch.setenv("SPLUNK_TOKEN", "sesame-seed")
    text = (ROOT / "docs" / "guide" / "aggregators.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "splunk" in one)
    traces = yaml.safe_load(block)["traces"]
    return {**traces, "paginator": {**traces["paginator"], "limit": 2}}


def test_results_of_a_search_are_lines(settings):
    splunk = Splunk()
    for number, minute in enumerate((59, 0, 1, 2, 59, 0)):
        hour = (9, 10, 10, 10, 10, 11)[number]
        splunk.add(number, f"2026-11-30T{hour:02}:{minute:02}:00.250+00:00", line(number))
    splunk.add(8, "2026-11-30T10:30:00.000+00:00", "GET /health 200")
    splunk.add(9, "2026-11-30T10:31:00.000+00:00", line(9)[:-9])
    with StandIn(splunk.answer) as service:
        found = read({**settings, "url": service.url}, HOUR)
        whole = read({**settings, "url": service.url})
    assert found.numbers == [1, 2, 3, 4]
    assert found.traces[0]["id"] == "1:1"
    assert datetime.fromisoformat(found.traces[0]["time"]) == datetime(2026, 11, 30, 10, 0, 0, 250_000, UTC)
    assert found.others == {"a line that is no record of a call": 1}
    assert [row["reason"] for row in found.quarantine] == ["broken JSON"]
    assert whole.numbers == list(range(6))


def test_a_wrong_token_is_told_and_not_shown(settings, monkeypatch):
    monkeypatch.setenv("SPLUNK_TOKEN", "wrong-token-9")
    with StandIn(Splunk().answer) as service, pytest.raises(SourceError, match="401") as told:
        read({**settings, "url": service.url})
    assert "wrong-token-9" not in str(told.value)

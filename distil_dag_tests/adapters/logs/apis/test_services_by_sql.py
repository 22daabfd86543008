"""Services that are asked by SQL: stand-ins that check what they are asked, with the samples' records."""

import json
import re
from datetime import timedelta

import pytest

from distil_dag.adapters.logs.apis.hosted import logfire
from distil_dag.adapters.logs.source import count_between, read_traces
from distil_dag.adapters.system.environment import SourceError
from distil_dag_tests.adapters.logs.apis import test_services
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.adapters.logs.apis.test_services import ALL, DEN, at, check, read, task, window
from distil_dag_tests.stages.reading.recorders.samples import sample

_environment = test_services._environment


class Braintrust:
    """`/btql`, whose answer is redirected to an object store that wants no key."""

    ASKED = (
        r"SELECT \* FROM project_logs\('it''s lights'\) WHERE span_attributes\.type = 'llm' "
        r"AND created >= '([^']+)'(?: AND created < '([^']+)')? ORDER BY _pagination_key LIMIT 1000"
        r"(?: OFFSET '(.+)')?"
    )

    def __init__(self, store=""):
        self.store = store
        logged = sample("braintrust.jsonl", 1)
        self.rows = [self.row(logged, number) for number in range(5)]
        self.last = []

    @staticmethod
    def row(logged, number):
        start = at(number).timestamp()
        turn = {"role": "assistant", "content": None, "tool_calls": test_services.GOT["tool_calls"]}
        return {
            **logged,
            "id": f"r{number}",
            "created": at(number).isoformat(),
            "input": test_services.GIVEN["messages"],
            "output": [{"index": 0, "message": turn, "finish_reason": "tool_calls"}],
            "metrics": {"start": start, "end": start + 1},
        }

    def answer(self, asked):
        if asked.headers.get("authorization") != "Bearer sk-bt-6":
            return Answer({"Code": "ForbiddenError"}, 403)
        assert (asked.method, asked.path, asked.body["fmt"]) == ("POST", "/btql", "json")
        since, until, cursor = re.fullmatch(self.ASKED, asked.body["query"]).groups()
        found = [row for row in self.rows if since <= row["created"] < (until or "3000")]
        start = int(cursor.partition("+")[0]) if cursor else 0
        self.last = found[start : start + 2]
        headers = {"x-bt-cursor": f"{start + 2}+'"} if self.last else {}
        if self.store:
            return Answer({}, 303, {**headers, "Location": f"{self.store}/rows"})
        return Answer({"data": self.last, "schema": {}}, headers=headers)


def test_braintrust():
    with StandIn(Braintrust().answer) as service:
        source = task("braintrust", url=service.url, project="it's lights")
        check(read(source), range(5))
        check(read(source, window(1, 3)), [1, 2])
        assert count_between(source, at(1), at(3)) == 2


def test_braintrust_sends_long_answers_from_elsewhere():
    braintrust = Braintrust()

    def rows(asked):
        assert "authorization" not in asked.headers
        return Answer({"data": braintrust.last})

    with StandIn(rows) as store, StandIn(braintrust.answer) as service:
        braintrust.store = store.url.replace("127.0.0.1", "localhost")
        check(read(task("braintrust", url=service.url, project="it's lights")), range(5))


class Logfire:
    """The table of records, as the query API gives its rows."""

    def __init__(self):
        (resource,) = sample("logfire.jsonl", 1)["resourceSpans"]
        (scope,) = resource["scopeSpans"]
        (span,) = scope["spans"]
        values = {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
        self.attributes = json.dumps({name: plain(value) for name, value in values.items()})
        self.rows = [self.row(number) for number in range(5)]

    def row(self, number):
        return {
            "start_timestamp": at(number).isoformat().replace("+00:00", "Z"),
            "end_timestamp": (at(number) + timedelta(seconds=1)).isoformat(),
            "trace_id": f"{number:032x}",
            "span_id": f"{number + 1:016x}",
            "parent_span_id": None,
            "span_name": "Chat Completion",
            "otel_scope_name": "logfire.openai",
            "attributes": self.attributes,
            "otel_events": [],
            "otel_status_code": None,
        }

    def answer(self, asked):
        if asked.headers.get("authorization") != "Bearer pylf_v1_us_7":
            return Answer({"detail": "Invalid token"}, 401)
        assert (asked.path, asked.headers["accept"]) == ("/v1/query", "application/json")
        query = asked.params["sql"]
        assert "(attributes->>'gen_ai.request.model' IS NOT NULL OR " in query
        found = self.rows
        if ends := re.search(r"start_timestamp >= '([^']+)' AND start_timestamp < '([^']+)'", query):
            assert asked.params["min_timestamp"] == ends[1]
            found = [row for row in found if ends[1] <= row["start_timestamp"] < ends[2]]
        if behind := re.search(
            r"\(start_timestamp, trace_id, span_id\) > \('(.*?)', '(.*?)', '(.*?)'\)", query
        ):
            place = ("start_timestamp", "trace_id", "span_id")
            found = [row for row in found if tuple(row[name] for name in place) > behind.groups()]
        assert query.endswith("ORDER BY start_timestamp, trace_id, span_id LIMIT 2")
        return Answer({"columns": [], "rows": found[:2]})


def plain(value):
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def test_logfire(monkeypatch):
    monkeypatch.setattr(logfire, "_PAGE", 2)
    with StandIn(Logfire().answer) as service:
        source = task("logfire", url=service.url)
        traces = read(source)
        assert [trace.time for trace in traces] == [at(number) for number in range(5)]
        assert all([call.model_dump() for call in trace.calls] == [DEN] for trace in traces)
        assert len({trace.id for trace in traces}) == 5
        assert [trace.time for trace in read(source, window(1, 3))] == [at(1), at(2)]
        assert count_between(source, at(1), at(3)) == 2


@pytest.mark.parametrize(
    ("token", "host"), [("pylf_v1_eu_1", "logfire-eu"), ("pylf_v1_us_1", "logfire-us"), ("old", "logfire-us")]
)
def test_logfire_is_asked_in_the_region_of_its_token(monkeypatch, token, host):
    monkeypatch.setenv("LOGFIRE_READ_TOKEN", token)
    assert logfire.service(task("logfire").settings.traces).url == f"https://{host}.pydantic.dev"


@pytest.mark.parametrize(("kind", "more"), [("braintrust", {"project": "p"}), ("logfire", {})])
def test_an_answer_of_another_form_is_told(kind, more):
    with (
        StandIn(lambda asked: Answer({"detail": "busy"})) as service,
        pytest.raises(SourceError, match="gives an answer without `"),
    ):
        read_traces(task(kind, url=service.url, **more), ALL)

"""Services, by stand-ins that answer as their APIs are documented: what is asked, and what is read.

The records are those of `trace_samples`, in the shape in which each API gives them back.
"""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from distil_dag.adapters.logs.intake import Intake
from distil_dag.adapters.logs.source import count_between, open_log, read_traces
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Settings, Task
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.stages.reading.recorders.samples import LIGHT, sample

ALL = RunKey.parse("t.all")
TIMES = r'and\(gte\(start_time, "([^"]+)"\), lt\(start_time, "([^"]+)"\)\)'
START = datetime(2026, 11, 30, 3, tzinfo=UTC)
DEN = {"name": "set_light", "arguments": {"room": "den", "level": 40}}
GIVEN = {
    "messages": [
        {"role": "system", "content": "You control the lights of a house."},
        {"role": "user", "content": "Set the den light to 40 percent."},
    ],
    "tools": [LIGHT],
}
GOT = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "set_light", "arguments": '{"room": "den", "level": 40}'},
        }
    ],
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in (
        "LANGFUSE_HOST", "LANGFUSE_BASE_URL", "LANGSMITH_ENDPOINT", "LANGSMITH_PROJECT", "OPENAI_BASE_URL",
        "LANGSMITH_WORKSPACE_ID", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "HELICONE_BASE_URL",
        "BRAINTRUST_API_URL", "LOGFIRE_BASE_URL",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
        "LANGFUSE_SECRET_KEY": "sk-lf-2",
        "LANGSMITH_API_KEY": "lsv2-3",
        "OPENAI_API_KEY": "sk-4",
        "HELICONE_API_KEY": "sk-helicone-5",
        "BRAINTRUST_API_KEY": "sk-bt-6",
        "LOGFIRE_READ_TOKEN": "pylf_v1_us_7",
    }.items():
        monkeypatch.setenv(name, value)


def task(kind, **settings):
    traces = {"kind": kind, **settings}
    return Task(
        settings=Settings.model_validate({"name": "t", "traces": traces}), description="", tools=(LIGHT,)
    )


def read(task, key=ALL):
    return read_traces(task, key)[0]


def window(first, behind):
    return RunKey("t", START + timedelta(minutes=first), START + timedelta(minutes=behind))


def at(number):
    return START + timedelta(minutes=number)


def iso(time):
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def inside(time, since, until):
    """Whether a service that takes ISO times gives a record."""
    return (not since or datetime.fromisoformat(since) <= time) and (
        not until or time < datetime.fromisoformat(until)
    )


def check(traces, numbers):
    """The traces are those of these numbers, in any order, with their calls and times."""
    assert sorted(trace.id for trace in traces) == [f"r{number}" for number in numbers]
    for trace in traces:
        assert [call.model_dump() for call in trace.calls] == [DEN]
        assert trace.time == at(int(trace.id[1:]))
        assert trace.messages[-1].content == GIVEN["messages"][-1]["content"]


class Langfuse:
    """The public API; without `v2` that of an older server."""

    def __init__(self, v2=True):
        self.v2 = v2
        self.keys = ("pk-lf-1", "sk-lf-2")
        self.observations = [self.observation(number) for number in range(5)]
        self.scores = []

    @staticmethod
    def observation(number):
        return {
            "id": f"r{number}",
            "traceId": f"t{number}",
            "type": "GENERATION",
            "startTime": iso(at(number)),
            "endTime": iso(at(number) + timedelta(seconds=1)),
            "parentObservationId": None,
            "name": "OpenAI-generation",
            "level": "DEFAULT",
            "input": json.dumps(GIVEN),
            "output": json.dumps(GOT),
            "providedModelName": "gpt-4o-mini",
        }

    def answer(self, asked):
        if (
            asked.headers.get("authorization")
            != f"Basic {base64.b64encode(':'.join(self.keys).encode()).decode()}"
        ):
            return Answer({"message": "Invalid credentials"}, 401)
        if asked.path == "/api/public/v3/scores" and self.v2:
            return self.score_page(asked.params)
        if asked.path not in ("/api/public/v2/observations", "/api/public/observations"):
            return Answer({"message": "Not Found"}, 404)
        since, until = (asked.params.get(name) for name in ("fromStartTime", "toStartTime"))
        assert asked.params["type"] == "GENERATION"
        found = [
            one for one in self.observations if inside(datetime.fromisoformat(one["startTime"]), since, until)
        ]
        found.reverse()
        if asked.path == "/api/public/v2/observations" and self.v2:
            assert "io" in asked.params["fields"].split(",")
            start = int(asked.params.get("cursor", 0))
            more = start + 2 < len(found)
            meta = {"cursor": str(start + 2)} if more else {}
            return Answer({"data": found[start : start + 2], "meta": meta})
        if asked.path == "/api/public/observations" and not self.v2:
            page = int(asked.params["page"])
            meta = {"page": page, "limit": 2, "totalItems": len(found), "totalPages": -(-len(found) // 2)}
            return Answer({"data": found[2 * page - 2 : 2 * page], "meta": meta})
        return Answer({"message": "Not Found"}, 404)

    def score_page(self, params):
        """Two scores a page; the subject of an observation's score names its trace too."""
        assert "subject" in params["fields"].split(",")
        traces, kinds = params["traceId"].split(","), params["dataType"].split(",")
        found = [
            one
            for one in self.scores
            if one["subject"].get("traceId", one["subject"]["id"]) in traces and one["dataType"] in kinds
        ]
        start = int(params.get("cursor", 0))
        meta = {"limit": 2, **({"cursor": str(start + 2)} if start + 2 < len(found) else {})}
        return Answer({"data": found[start : start + 2], "meta": meta})


@pytest.mark.parametrize("v2", [True, False])
def test_langfuse(v2):
    with StandIn(Langfuse(v2).answer) as service:
        source = task("langfuse", url=service.url)
        check(read(source), range(5))
        check(read(source, window(1, 3)), [1, 2])
        assert count_between(source, at(1), at(3)) == 2
        assert [trace.model for trace in read(source)] == ["gpt-4o-mini"] * 5


def test_langfuse_is_found_by_its_usual_variables(monkeypatch):
    with StandIn(Langfuse().answer) as service:
        monkeypatch.setenv("LANGFUSE_HOST", service.url)
        check(read(task("langfuse")), range(5))
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-other")
        with pytest.raises(SourceError, match="LANGFUSE_HOST} answers 401 .*check the variables") as error:
            read(task("langfuse"))
    assert "sk-lf-other" not in str(error.value)


def test_a_failed_generation_is_set_aside():
    langfuse = Langfuse()
    langfuse.observations[0]["level"] = "ERROR"
    with StandIn(langfuse.answer) as service:
        check(read(task("langfuse", url=service.url)), range(1, 5))


def test_records_beyond_the_window_are_left_out_also_if_they_can_not_be_read():
    langfuse = Langfuse()
    for number, ending in ((0, "ERROR"), (2, "ERROR"), (4, "ERROR")):
        langfuse.observations[number]["level"] = ending

    def answer(asked):
        everything = {**asked.params, "fromStartTime": "", "toStartTime": ""}
        return langfuse.answer(replace(asked, params=everything))

    with StandIn(answer) as service:
        source = task("langfuse", url=service.url)
        intake, key = Intake(source, window(1, 4)), window(1, 4)
        log = open_log(source)
        for page in log.pages(key):
            intake.read(log.records(page))
    report = intake.report()
    assert (report.read, report.kept, report.quarantined) == (3, 2, {"the request failed": 1})


class Langsmith:
    """The API of runs."""

    def __init__(self):
        self.runs = [self.run(number) for number in range(5)]
        self.feedback = []

    @staticmethod
    def run(number):
        logged = sample("langsmith.jsonl", 1)
        fields = ("name", "run_type", "inputs", "outputs", "extra")
        return {
            **{name: logged[name] for name in fields},
            "id": f"r{number}",
            "trace_id": f"r{number}",
            "session_id": "s1",
            "start_time": at(number).replace(tzinfo=None).isoformat(),
            "end_time": (at(number) + timedelta(seconds=1)).replace(tzinfo=None).isoformat(),
            "error": None,
            "parent_run_id": None,
        }

    def answer(self, asked):
        if asked.headers.get("x-api-key") != "lsv2-3":
            return Answer({"detail": "Invalid token"}, 401)
        if (asked.method, asked.path) == ("GET", "/sessions"):
            sessions = [{"id": "s1", "name": "lights"}, {"id": "s0", "name": "default"}]
            return Answer([one for one in sessions if one["name"] == asked.params["name"]])
        if (asked.method, asked.path) == ("GET", "/feedback"):
            start, limit = int(asked.params["offset"]), int(asked.params["limit"])
            found = [one for one in self.feedback if one["run_id"] in asked.lists["run"]]
            return Answer(found[start : start + limit])
        assert (asked.method, asked.path) == ("POST", "/runs/query")
        assert asked.body["run_type"] == "llm"
        assert {"inputs", "outputs", "start_time"} <= set(asked.body["select"])
        found = list(reversed(self.runs)) if asked.body["session"] == ["s1"] else []
        if "filter" in asked.body:
            since, until = re.fullmatch(TIMES, asked.body["filter"]).groups()
            found = [run for run in found if inside(self.start(run), since, until)]
        found = [run for run in found if inside(self.start(run), asked.body["start_time"], None)]
        start = int(asked.body.get("cursor", 0))
        page = found[start : start + 2]
        return Answer({"runs": page, "cursors": {"next": str(start + 2) if start + 2 < len(found) else None}})

    @staticmethod
    def start(run):
        return datetime.fromisoformat(run["start_time"]).replace(tzinfo=UTC)


def test_langsmith(monkeypatch):
    with StandIn(Langsmith().answer) as service:
        source = task("langsmith", url=service.url, project="lights")
        check(read(source), range(5))
        check(read(source, window(1, 3)), [1, 2])
        assert count_between(source, at(1), at(3)) == 2
        assert read(task("langsmith", url=service.url)) == []
        monkeypatch.setenv("LANGSMITH_ENDPOINT", service.url)
        monkeypatch.setenv("LANGSMITH_PROJECT", "lights")
        monkeypatch.setenv("LANGSMITH_WORKSPACE_ID", "w1")
        check(read(task("langsmith")), range(5))
        assert service.asked[-1].headers["x-tenant-id"] == "w1"
        with pytest.raises(SourceError, match="has no project 'heating'"):
            read(task("langsmith", project="heating"))

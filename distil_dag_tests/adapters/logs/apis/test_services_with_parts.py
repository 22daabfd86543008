"""Services that are asked once more for each record: its messages, or its bodies."""

from datetime import datetime, timedelta

from distil_dag.adapters.logs.source import count_between
from distil_dag_tests.adapters.logs.apis import test_services
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.adapters.logs.apis.test_services import (
    GIVEN,
    GOT,
    at,
    check,
    inside,
    iso,
    read,
    task,
    window,
)
from distil_dag_tests.stages.reading.recorders.samples import LIGHT

_environment = test_services._environment


class OpenAI:
    """The API of stored chat completions."""

    def __init__(self):
        self.completions = [self.completion(number) for number in range(5)]
        self.deleted = ""

    @staticmethod
    def completion(number):
        return {
            "id": f"r{number}",
            "object": "chat.completion",
            "created": int(at(number).timestamp()),
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "message": GOT, "finish_reason": "tool_calls", "logprobs": None}],
            "metadata": {"agent": "lights" if number % 2 else "heating"},
            "tools": [LIGHT],
            "usage": {"prompt_tokens": 50, "completion_tokens": 12, "total_tokens": 62},
        }

    def answer(self, asked):
        if asked.headers.get("authorization") != "Bearer sk-4":
            return Answer({"error": {"message": "Incorrect API key provided: sk-4"}}, 401)
        *_, head, tail = asked.path.split("/")
        if tail == "messages":
            if head == self.deleted:
                return Answer({"error": {"message": "not found"}}, 404)
            found = [{"id": f"{head}-{place}", **turn} for place, turn in enumerate(GIVEN["messages"])]
            found[-1] |= {"content": None, "content_parts": [{"type": "text", "text": found[-1]["content"]}]}
            return self.page(asked, found, 1)
        assert asked.path == "/v1/chat/completions"
        wanted = asked.params.get("metadata[agent]")
        found = [one for one in self.completions if wanted in (None, one["metadata"]["agent"])]
        return self.page(asked, found[::-1] if asked.params["order"] == "desc" else found, 2)

    @staticmethod
    def page(asked, found, size):
        start = (
            [one["id"] for one in found].index(asked.params["after"]) + 1 if "after" in asked.params else 0
        )
        page = found[start : start + size]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
        return Answer({"object": "list", "data": page, **ends, "has_more": start + size < len(found)})


def test_openai_stored_completions(monkeypatch):
    with StandIn(OpenAI().answer) as service:
        url = service.url + "/v1"
        check(read(task("openai", url=url)), range(5))
        check(read(task("openai", url=url, metadata={"agent": "lights"})), [1, 3])
        asked = len(service.asked)
        check(read(task("openai", url=url), window(1, 3)), [1, 2])
        listed = [one.path for one in service.asked[asked:] if not one.path.endswith("/messages")]
        assert len(listed) == 3, "the list was not left where the window begins"
        assert len({one.path for one in service.asked[asked:]}) == 3, (
            "messages outside the window were asked for"
        )
        assert count_between(task("openai", url=url), at(1), at(3)) == 2
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj")
        check(read(task("openai")), range(5))
        assert service.asked[-1].headers["openai-project"] == "proj"


def test_a_completion_that_was_deleted_meanwhile_ends_nothing():
    openai = OpenAI()
    openai.deleted = "r2"
    with StandIn(openai.answer) as service:
        check(read(task("openai", url=service.url + "/v1")), [0, 1, 3, 4])


class Helicone:
    """The API of requests, and the object store that their bodies lie in."""

    def __init__(self, store):
        self.store = store

    def answer(self, asked):
        if asked.headers.get("authorization") != "Bearer sk-helicone-5":
            return Answer({"error": "unauthorized"}, 401)
        assert (asked.method, asked.path) == ("POST", "/v1/request/query-clickhouse")
        assert asked.body["sort"] == {"created_at": "asc"}
        rows = [self.row(number) for number in range(5)]
        if asked.body["filter"] != "all":
            sides = [asked.body["filter"][side]["request_response_rmt"] for side in ("left", "right")]
            since, until = sides[0]["request_created_at"]["gte"], sides[1]["request_created_at"]["lt"]
            rows = [
                row for row in rows if inside(datetime.fromisoformat(row["request_created_at"]), since, until)
            ]
        start = asked.body["offset"]
        return Answer({"data": rows[start : start + asked.body["limit"]], "error": None})

    def row(self, number):
        return {
            "request_id": f"r{number}",
            "request_created_at": iso(at(number)),
            "response_created_at": iso(at(number) + timedelta(seconds=1)),
            "response_status": 200,
            "request_body": {},
            "response_body": {},
            "model": "gpt-4o-mini",
            "signed_body_url": f"{self.store}/bodies/r{number}?X-Amz-Signature=abc",
        }


def bodies(asked):
    if "authorization" in asked.headers or asked.params != {"X-Amz-Signature": "abc"}:
        return Answer(b"<Error>InvalidArgument: only one auth mechanism</Error>", 400)
    response = {"model": "gpt-4o-mini", "choices": [{"message": GOT, "finish_reason": "tool_calls"}]}
    return Answer({"request": {**GIVEN, "model": "gpt-4o-mini"}, "response": response})


def test_helicone(monkeypatch):
    monkeypatch.setattr("distil_dag.adapters.logs.apis.hosted.helicone._PAGE", 2)
    with (
        StandIn(bodies) as store,
        StandIn(Helicone(store.url.replace("127.0.0.1", "localhost")).answer) as service,
    ):
        source = task("helicone", url=service.url)
        check(read(source), range(5))
        check(read(source, window(1, 3)), [1, 2])
        assert count_between(source, at(1), at(3)) == 2


def test_a_body_that_was_not_kept_sets_its_request_aside():
    def without_one(asked):
        return Answer(b"<Error>NoSuchKey</Error>", 404) if asked.path == "/bodies/r3" else bodies(asked)

    with (
        StandIn(without_one) as store,
        StandIn(Helicone(store.url.replace("127.0.0.1", "localhost")).answer) as service,
    ):
        check(read(task("helicone", url=service.url)), [0, 1, 2, 4])

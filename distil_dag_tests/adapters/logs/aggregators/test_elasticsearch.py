"""Elasticsearch and OpenSearch, by a stand-in of their documented search with a point in time."""

import base64
import itertools
from datetime import UTC, datetime

import pytest

from distil_dag.adapters.system.environment import SourceError, SourceUnavailable
from distil_dag_tests.adapters.logs.aggregators.logged import call, line, read
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn

HOUR = "t.20261130T110000Z_20261130T100000Z"
ELASTIC, OPENSEARCH = "elasticsearch", "opensearch"


def moment(time):
    return (
        datetime.fromisoformat(time).replace(tzinfo=UTC) if "+" not in time else datetime.fromisoformat(time)
    )


class Cluster:
    """Documents; a search sees them as they stood when its point in time was opened."""

    def __init__(self, kind):
        self.kind, self.is_elastic = kind, kind == ELASTIC
        self.documents, self.points, self.numbers = [], {}, itertools.count(1)
        self.searched = lambda: None
        self.more = {}
        self.lost = 0

    def add(self, name, time, source, index="logs-1"):
        self.documents.append({"_index": index, "_id": name, "_source": {"@timestamp": time, **source}})

    def answer(self, asked):
        path = asked.path.strip("/")
        if self.is_elastic and asked.headers.get("authorization") not in (None, "ApiKey key-1"):
            return Answer({"error": {"type": "security_exception"}, "status": 401}, 401)
        if asked.method == "POST" and path == (
            "logs-*/_pit" if self.is_elastic else "logs-*/_search/point_in_time"
        ):
            name = f"p{next(self.numbers)}"
            self.points[name] = list(self.documents)
            return Answer({"id" if self.is_elastic else "pit_id": name})
        if asked.method == "DELETE" and path == ("_pit" if self.is_elastic else "_search/point_in_time"):
            for name in [asked.body["id"]] if self.is_elastic else asked.body["pit_id"]:
                del self.points[name]
            return Answer({"succeeded": True})
        if asked.method == "POST" and path == "_search":
            return self.search(asked.body)
        reason = {"type": "index_not_found_exception", "reason": f"no such index [{path.split('/')[0]}]"}
        return Answer({"error": reason, "status": 404}, 404)

    def search(self, body):
        if body["pit"]["id"] not in self.points:
            return Answer({"error": {"type": "search_context_missing_exception"}}, 404)
        (_, how), *tiebreakers = (next(iter(one.items())) for one in body["sort"])
        if ("_shard_doc", "asc") in tiebreakers and not self.is_elastic:
            return Answer({"error": {"reason": "No mapping found for [_shard_doc] in order to sort on"}}, 400)
        if "format" in how and not self.is_elastic:
            return Answer({"error": {"reason": "[sort] unknown field [format]"}}, 400)
        found = []
        for place, one in enumerate(self.points[body["pit"]["id"]]):
            time = one["_source"]["@timestamp"]
            when = int(moment(time).timestamp() * 1000) if time else how["missing"]
            if not all(
                self.passes(part, one, when) for part in body["query"].get("bool", {}).get("filter", ())
            ):
                continue
            written = datetime.fromtimestamp(when / 1000, UTC).isoformat(timespec="milliseconds")
            first = written.replace("+00:00", "Z") if self.is_elastic else when
            ties = {"_shard_doc": place, **one}
            found.append({**one, "sort": [first, *(ties[field] for field, _ in tiebreakers)]})
        found.sort(key=lambda hit: hit["sort"])
        total = len(found) + self.lost
        if after := body.get("search_after"):
            found = [hit for hit in found if hit["sort"] > after]
        self.searched()
        # Each answer may name another id, and only the newest is good.
        name = f"p{next(self.numbers)}"
        self.points[name] = self.points.pop(body["pit"]["id"])
        hits = {"hits": found[: body["size"]]} | (
            {"total": {"value": total, "relation": "eq"}} if body["track_total_hits"] else {}
        )
        return Answer(
            {"pit_id": name, "timed_out": False, "_shards": {"failed": 0}, "hits": hits, **self.more}
        )

    def passes(self, part, document, when):
        if "range" in part:
            ends = part["range"]["@timestamp"]
            since, until = (int(moment(ends[name]).timestamp() * 1000) for name in ("gte", "lt"))
            return since <= when < until
        name, wanted = (
            next(iter(part["term"].items())) if "term" in part else part["query_string"]["query"].split(":")
        )
        return document["_source"].get(name) == wanted


def source(service, kind=ELASTIC, **settings):
    keyless = {"api_key": None} if kind == ELASTIC else {}
    return {"kind": kind, "url": service.url, "index": "logs-*", **keyless, **settings}


@pytest.mark.parametrize("kind", [ELASTIC, OPENSEARCH])
@pytest.mark.parametrize("page_records", [1, 3, 1000])
def test_pages_neither_lose_nor_double_documents_of_one_time(kind, page_records):
    cluster = Cluster(kind)
    for number in reversed(range(10)):
        cluster.add(f"d{number}", f"2026-11-30T10:0{number // 4}:00.123Z", {"message": line(number)})
    with StandIn(cluster.answer) as service:
        found = read(source(service, kind, page_records=page_records), HOUR)
    assert sorted(found.numbers) == list(range(10))
    assert [row["time"] for row in found.traces] == sorted(row["time"] for row in found.traces)
    assert {row["id"] for row in found.traces} == {f"d{number}" for number in range(10)}
    assert (found.quarantine, cluster.points) == ([], {})


@pytest.mark.parametrize("kind", [ELASTIC, OPENSEARCH])
def test_documents_of_one_id_in_two_indices_are_told(kind):
    cluster = Cluster(kind)
    for number in (1, 2):
        cluster.add("same", "2026-11-30T10:00:00Z", call(number), f"logs-{number}")
    with StandIn(cluster.answer) as service:
        found = read(source(service, kind, page_records=1), HOUR)
    assert (found.numbers, [row["reason"] for row in found.quarantine]) == ([1], ["duplicate id"])


@pytest.mark.parametrize("kind", [ELASTIC, OPENSEARCH])
def test_what_is_written_while_pages_are_read_is_not_seen(kind):
    cluster = Cluster(kind)
    for number in range(4):
        cluster.add(f"d{number}", f"2026-11-30T10:0{number}:00Z", call(number))
    names = itertools.count(10)
    cluster.searched = lambda: cluster.add(f"d{next(names)}", "2026-11-30T10:01:30Z", call(9))
    with StandIn(cluster.answer) as service:
        assert read(source(service, kind, page_records=2), HOUR).numbers == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", [ELASTIC, OPENSEARCH])
def test_windows_are_complete_and_disjoint(kind):
    cluster = Cluster(kind)
    for number, time in enumerate(("09:59:59.999", "10:00:00.000", "10:59:59.999", "11:00:00.000")):
        cluster.add(f"d{number}", f"2026-11-30T{time}Z", call(number))
    cluster.add("d4", None, call(4))
    with StandIn(cluster.answer) as service:
        hours = ("t.20261130T100000Z_20261130T090000Z", HOUR, "t.20261130T120000Z_20261130T110000Z")
        assert [read(source(service, kind), run).numbers for run in hours] == [[0], [1, 2], [3]]
        assert sorted(read(source(service, kind)).numbers) == list(range(5))


@pytest.mark.parametrize("query", ["service:agent", {"term": {"service": "agent"}}])
def test_a_query_narrows_what_is_read(query):
    cluster = Cluster(ELASTIC)
    cluster.add("d1", "2026-11-30T10:00:00Z", {"message": line(1), "service": "agent"})
    cluster.add("d2", "2026-11-30T10:00:00Z", {"message": line(2), "service": "other"})
    with StandIn(cluster.answer) as service:
        assert read(source(service, query=query), HOUR).numbers == [1]


def test_keys_and_users_are_sent(monkeypatch):
    monkeypatch.setenv("ELASTIC_API_KEY", "key-1")
    monkeypatch.setenv("ELASTIC_PASSWORD", "sesame-seed")
    with StandIn(Cluster(ELASTIC).answer) as service:
        assert read({"kind": ELASTIC, "url": service.url, "index": "logs-*"}, HOUR) == ([], [], {})
        with pytest.raises(SourceError, match="401"):
            read(source(service, user="elastic"), HOUR)
    assert service.asked[0].headers["authorization"] == "ApiKey key-1"
    assert base64.b64decode(service.asked[-1].headers["authorization"][6:]) == b"elastic:sesame-seed"


def test_a_wrong_key_is_told_and_not_shown(monkeypatch):
    monkeypatch.setenv("ELASTIC_API_KEY", "wrong-key-9")
    with StandIn(Cluster(ELASTIC).answer) as service, pytest.raises(SourceError, match="401") as told:
        read({"kind": ELASTIC, "url": service.url, "index": "logs-*"})
    assert "wrong-key-9" not in str(told.value)


def test_a_cluster_that_is_busy_is_asked_again(monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    cluster = Cluster(ELASTIC)
    cluster.add("d1", "2026-11-30T10:00:00Z", call(1))
    busy = [Answer({"error": {"type": "es_rejected_execution_exception"}, "status": 429}, 429)] * 2
    with StandIn(lambda asked: busy.pop() if busy else cluster.answer(asked)) as service:
        assert read(source(service), HOUR).numbers == [1]


def test_an_index_that_is_not_there_is_told():
    with StandIn(Cluster(ELASTIC).answer) as service, pytest.raises(SourceError, match="no such index"):
        read(source(service, index="lgos-*"))


@pytest.mark.parametrize("more", [{"timed_out": True}, {"_shards": {"failed": 1}}])
def test_a_part_of_an_answer_is_no_answer(more):
    cluster = Cluster(ELASTIC)
    cluster.more = more
    with StandIn(cluster.answer) as service, pytest.raises(SourceUnavailable, match="a part of the records"):
        read(source(service))
    assert cluster.points == {}


def test_pages_that_lose_a_document_are_told():
    cluster = Cluster(OPENSEARCH)
    cluster.add("d1", "2026-11-30T10:00:00Z", call(1))
    cluster.lost = 1
    with StandIn(cluster.answer) as service, pytest.raises(SourceUnavailable, match="gave 1 records of 2"):
        read(source(service, OPENSEARCH))

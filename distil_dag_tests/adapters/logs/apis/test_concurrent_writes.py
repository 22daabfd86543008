"""Records that are written while a log is paged: nothing is lost, nothing counts twice."""

import itertools
from datetime import timedelta

import pytest

from distil_dag.adapters.logs.source import count_between, read_traces
from distil_dag.core.run_key import RunKey
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.adapters.logs.apis.test_rest import START, ids, record, rest
from distil_dag_tests.adapters.logs.loaded_log import load

SIZE = 3
FIRST = [record(n) for n in range(10)]
WINDOW = RunKey("t", START, START + timedelta(minutes=10))


class Growing:
    """A stand-in that gets a record with each request: newer than all, or late with a time in between."""

    def __init__(self, late):
        self.records = list(FIRST)
        self.late = late
        self.made = itertools.count(100)

    def answer(self, asked):
        since, until = (asked.params.get(name, "") for name in ("since", "until"))
        found = sorted(self.records, key=lambda one: (one["created_at"], one["id"]))
        found = [
            one for one in found if since <= one["created_at"] and (not until or one["created_at"] < until)
        ]
        if asked.params.get("order") == "desc":
            found.reverse()
        start = int(asked.params.get("offset", 0))
        if "after" in asked.params:
            start = [one["id"] for one in found].index(asked.params["after"]) + 1
        page = found[start : start + SIZE]
        number = next(self.made)
        at = START + timedelta(minutes=1, seconds=number) if self.late else START + timedelta(minutes=number)
        self.records.append(record(number, at))
        more = start + SIZE < len(found)
        return Answer({"data": page, "next": page[-1]["id"] if page and more else None})


PAGINATORS = {
    "offset": {"type": "offset", "limit": SIZE, "total_path": None},
    "cursor": {"type": "cursor", "cursor_path": "next", "cursor_param": "after"},
}


def paged(url, paginator, order, **more):
    ends = {"since": "{since}", "until": "{until}"}
    settings = {"paginator": PAGINATORS[paginator], "params": {"order": order, **ends}, "records": "data"}
    return rest(url, time_column="created_at", **settings, **more)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("paginator", PAGINATORS)
@pytest.mark.parametrize("late", [False, True])
def test_a_whole_log_that_grows_is_read_once(tmp_path, paginator, order, late):
    with StandIn(Growing(late).answer) as service:
        rows, quarantine, _ = load(paged(service.url, paginator, order), tmp_path)
    found = [row["id"] for row in rows]
    assert set(found) >= {one["id"] for one in FIRST}
    assert len(found) == len(set(found))
    assert not quarantine


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("paginator", PAGINATORS)
def test_a_window_is_the_same_whatever_is_written_later(paginator, order):
    with StandIn(Growing(late=False).answer) as service:
        task = paged(service.url, paginator, order)
        first, again = (read_traces(task, WINDOW)[0] for _ in range(2))
        assert {trace.id for trace in first} == {one["id"] for one in FIRST}
        assert first == again
        assert count_between(task, WINDOW.since, WINDOW.until) == len(FIRST)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("paginator", PAGINATORS)
def test_adjacent_windows_part_the_log(paginator, order):
    ends = [START + timedelta(minutes=minutes) for minutes in (0, 4, 5, 10)]
    with StandIn(Growing(late=False).answer) as service:
        task = paged(service.url, paginator, order)
        parts = [set(ids(task, RunKey("t", since, until))) for since, until in itertools.pairwise(ends)]
    assert [len(part) for part in parts] == [4, 1, 5]
    assert set().union(*parts) == {one["id"] for one in FIRST}


def test_a_record_that_changes_its_content_under_one_id_is_told(tmp_path):
    pages = [[record(1)], [record(1)], [{**record(1), "created_at": record(2)["created_at"]}], [record(3)]]

    def answer(asked):
        number = int(asked.params.get("offset", 0))
        return Answer({"data": pages[number] if number < len(pages) else []})

    paginator = {"type": "offset", "limit": 1, "total_path": None}
    with StandIn(answer) as service:
        rows, quarantine, _ = load(rest(service.url, paginator=paginator), tmp_path)
    assert [row["id"] for row in rows] == ["r001", "r003"]
    assert [row["reason"] for row in quarantine] == ["duplicate id"]

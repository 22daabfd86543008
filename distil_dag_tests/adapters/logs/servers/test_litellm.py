"""A LiteLLM proxy: the demo's calls go through it, and are pulled back from its spend logs."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from distil_dag.adapters.logs.source import open_log
from distil_dag_tests.adapters.logs.loaded_log import task_of
from distil_dag_tests.adapters.logs.servers.demo import CALLS, Demo, by_call, content, read
from distil_dag_tests.adapters.logs.servers.litellm_proxy import KEY, Proxy

pytestmark = pytest.mark.servers


def send(demo: Demo, litellm: Proxy, names: list[str]) -> None:
    """Call through the proxy, and wait until all is in its database."""
    bodies, client = demo.bodies(), litellm.client()
    before = logged(litellm)

    def call(name: str) -> None:
        client.chat.completions.create(**bodies[name][0], user=name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, names))
    deadline = time.monotonic() + 60
    while logged(litellm) < before + len(names):
        assert time.monotonic() < deadline, f"{logged(litellm)} of {before + len(names)} calls were logged"
        time.sleep(0.2)


def logged(litellm: Proxy) -> int:
    with sa.create_engine(litellm.database, poolclass=sa.NullPool).connect() as database:
        return database.execute(sa.text('SELECT count(*) FROM "LiteLLM_SpendLogs"')).scalar_one()


@pytest.fixture(scope="module")
def ids(demo: Demo, litellm: Proxy) -> dict[str, str]:
    """The id of a call in spend logs is that of the response."""
    send(demo, litellm, list(demo.table))
    return {name: response["id"] for name, (_, response) in demo.bodies().items()}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_MASTER_KEY", KEY)


def source(litellm: Proxy) -> dict[str, Any]:
    return {"kind": "litellm", "url": litellm.url, "key": "${LITELLM_MASTER_KEY}"}


def test_the_same_cases_as_from_the_table(demo: Demo, litellm: Proxy, ids: dict[str, str]) -> None:
    found = by_call(read(source(litellm)), ids)
    assert {name: content(trace) for name, trace in found.items()} == {
        name: content(trace) for name, trace in demo.table.items()
    }


def test_the_proxys_table_says_the_same(demo: Demo, litellm: Proxy, ids: dict[str, str]) -> None:
    table = {
        "kind": "sql", "url": litellm.database, "table": "LiteLLM_SpendLogs", "id_column": "request_id",
        "time_column": "startTime",
    }  # fmt: skip
    assert by_call(read(table), ids) == by_call(read(source(litellm)), ids)


def test_windows_are_whole_and_disjoint(litellm: Proxy, ids: dict[str, str]) -> None:
    times = sorted(trace.time for trace in read(source(litellm)))
    begin, middle = (time.replace(microsecond=0) for time in (times[0], times[len(times) // 2]))
    end = times[-1].replace(microsecond=0) + timedelta(seconds=1)
    first, second = read(source(litellm), begin, middle), read(source(litellm), middle, end)
    assert first == read(source(litellm), begin, middle)
    assert {trace.id for trace in first + second} == set(ids.values())
    assert len(first + second) == CALLS
    assert all(trace.time < middle for trace in first)
    assert all(trace.time >= middle for trace in second)


def test_calls_that_are_logged_while_pages_are_read(demo: Demo, litellm: Proxy, ids: dict[str, str]) -> None:
    pages = open_log(task_of(source(litellm))).pages()
    seen = list(next(pages))
    # As calls that took long, and began before the others.
    with sa.create_engine(litellm.database).begin() as database:
        database.execute(
            sa.text(
                'INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, "startTime", "endTime") '
                "SELECT 'late-' || n, 'acompletion', min - interval '1 hour', min FROM "
                '(SELECT min("startTime") FROM "LiteLLM_SpendLogs") AS first, generate_series(1, 40) AS n'
            )
        )
    seen += itertools.chain.from_iterable(pages)
    names = [row["request_id"] for row in seen]
    assert len(set(names)) == len(names)
    assert set(names) == set(ids.values())

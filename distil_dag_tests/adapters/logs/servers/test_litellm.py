"""A LiteLLM proxy: the demo's calls go through it, and are pulled back from its spend logs."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from distil_dag.adapters.logs.source import open_log
from distil_dag.stages.reading.discovery.definitions import definitions_in
from distil_dag_tests.adapters.logs.loaded_log import load, task_of
from distil_dag_tests.adapters.logs.servers.demo import CALLS, TOOLS, Demo, by_call, content, read
from distil_dag_tests.adapters.logs.servers.litellm_proxy import KEY, LONGEST, Proxy

pytestmark = pytest.mark.servers


def send(litellm: Proxy, requests: dict[str, dict[str, Any]]) -> None:
    """Call through the proxy, and wait until all is in its database.

    Args:
        litellm: the proxy.
        requests: by the `user` who asks.
    """
    client, before = litellm.client(), logged(litellm)

    def call(name: str) -> None:
        client.chat.completions.create(**requests[name], user=name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, requests))
    deadline = time.monotonic() + 60
    while (count := logged(litellm) - before) < len(requests):
        assert time.monotonic() < deadline, f"{count} of {len(requests)} calls were logged"
        time.sleep(0.2)


def logged(litellm: Proxy) -> int:
    with sa.create_engine(litellm.database, poolclass=sa.NullPool).connect() as database:
        return database.execute(sa.text('SELECT count(*) FROM "LiteLLM_SpendLogs"')).scalar_one()


@pytest.fixture(scope="module")
def ids(demo: Demo, litellm: Proxy) -> dict[str, str]:
    """The id of a call in spend logs is that of the response."""
    send(litellm, {name: request for name, (request, _) in demo.bodies().items()})
    return {name: response["id"] for name, (_, response) in demo.bodies().items()}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_MASTER_KEY", KEY)


def source(litellm: Proxy) -> dict[str, Any]:
    return {"kind": "litellm", "url": litellm.url, "api_key": "${LITELLM_MASTER_KEY}"}


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


def test_the_tools_of_a_request(litellm: Proxy, ids: dict[str, str]) -> None:
    first = next(open_log(task_of(source(litellm))).pages())
    assert definitions_in(first[0]) == TOOLS


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


def test_a_text_that_the_proxy_cuts_is_set_aside_by_the_setting(
    litellm: Proxy, ids: dict[str, str], tmp_path: Path
) -> None:
    for name, length in (("whole", LONGEST - 1000), ("cut", LONGEST + 1000)):
        messages = [{"role": "user", "content": "on and on ".ljust(length, "!")}]
        send(litellm, {name: {"model": "gpt-4.1", "messages": messages}})
    rows, quarantine, _ = load(task_of(source(litellm)), tmp_path)
    assert max(len(row["request"]) for row in rows) == LONGEST - 1000
    (cut,) = quarantine
    assert cut["reason"] == "a text was cut; set MAX_STRING_LENGTH_PROMPT_IN_DB to more characters"
    assert cut["position"] == "request_id chatcmpl-cut"


def test_calls_that_are_logged_while_pages_are_read(litellm: Proxy, ids: dict[str, str]) -> None:
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
    assert set(ids.values()) <= set(names)
    assert not any(name.startswith("late-") for name in names)

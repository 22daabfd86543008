"""Versions of definitions over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from distil_dag.stages.reading.discovery.defined import DefinedTools
from distil_dag.stages.reading.discovery.requested import RequestedTools


def record(description: str) -> dict[str, Any]:
    return {"tools": [{"name": "light", "description": description, "input_schema": {"type": "object"}}]}


def described(found: RequestedTools, *refused: str) -> list[str]:
    tools = found.newest(lambda tool: tool["function"]["description"] not in refused)
    return [tool["function"]["description"] for tool in tools]


def test_the_newest_is_told_by_time_and_not_by_place() -> None:
    found = RequestedTools()
    found.add(record("new"), datetime(2026, 2, 1, tzinfo=UTC))
    found.add(record("old"), datetime(2026, 1, 1, tzinfo=UTC))
    found.add({"messages": []}, datetime(2026, 3, 1, tzinfo=UTC))
    assert described(found) == ["new"]
    assert found.versions == {"light": 2}
    assert found.requests == 2


def test_without_times_the_last_one_is_the_newest() -> None:
    found = RequestedTools()
    for description in ("one", "two", "one"):
        found.add(record(description), None)
    assert described(found) == ["one"]


def test_what_is_nested_too_deep_is_no_definition() -> None:
    found, schema = RequestedTools(), {"type": "object"}
    for _ in range(5000):
        schema = {"type": "object", "properties": {"a": schema}}
    found.add({"tools": [{"name": "light", "input_schema": schema}]}, None)
    assert found.versions == {}


def test_a_version_that_is_not_valid_gives_way_to_the_one_before() -> None:
    found = RequestedTools()
    for description in ("one", "two"):
        found.add(record(description), None)
    assert described(found, "two") == ["one"]
    assert described(found, "one", "two") == []


def test_each_version_has_its_time_its_requests_and_what_is_new() -> None:
    found = RequestedTools()
    for day, description in ((1, "one"), (2, "one"), (3, "two"), (4, "one")):
        found.add(record(description), datetime(2026, 1, day, tzinfo=UTC))
    one, two = found.over_time()
    assert (one.tool, one.requests, one.change) == ("light", 3, "")
    assert (one.first, one.last) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    assert (two.requests, two.change) == (1, "is described in other words")
    assert two.version != one.version


def test_what_is_no_request_of_its_own_adds_a_definition_and_no_request() -> None:
    found = RequestedTools()
    found.take(DefinedTools().of(record("one")), None, counts=False)
    (row,) = found.over_time()
    assert (row.requests, row.first, found.requests) == (0, None, 0)


def test_of_a_definition_that_always_changes_the_newest_are_kept() -> None:
    found = RequestedTools()
    for place in range(300):
        day = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=place)  # the newest comes first
        found.add(record(f"It is {day:%Y-%m-%d}."), day)
    rows = found.over_time()
    assert described(found) == ["It is 2026-01-01."]
    assert len(rows) + found.left_out == 300
    assert len(rows) < 30
    assert found.requests == 300

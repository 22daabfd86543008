"""Versions of definitions over time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

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

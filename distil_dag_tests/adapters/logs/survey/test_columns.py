"""Which columns name a row and say its time."""

from __future__ import annotations

from typing import Any

import pytest

from distil_dag.adapters.logs.survey.columns import Columns


def found(*records: dict[str, Any]) -> tuple[str | None, str | None]:
    columns = Columns()
    for record in records:
        columns.add(record)
    return columns.id, columns.time


@pytest.mark.parametrize(
    ("records", "columns"),
    [
        (
            [{"request_id": "a", "ts": 1796010478}, {"request_id": "b", "ts": 1796010479}],
            ("request_id", "ts"),
        ),
        # `id` is read without being named.
        ([{"id": 1, "uuid": "a"}, {"id": 2, "uuid": "b"}], (None, None)),
        # What repeats names no row: it may be the id of a conversation.
        ([{"message_id": "a"}] * 3, (None, None)),
        # A number of seconds is no time of a log.
        ([{"time": 0.25, "created": "2026-11-30T03:56:01Z"}] * 2, (None, "created")),
        ([{"created_at": "yesterday", "timestamp": "2026-11-30"}] * 2, (None, "timestamp")),
        ([{"created_at": "2026-11-30"}, {}], (None, None)),
        # A recorder has ids of its own.
        ([{"trace_id": "t", "span_id": "s", "attributes": {}, "event_id": "e"}], (None, None)),
        ([], (None, None)),
    ],
)
def test_names_and_values_tell_the_columns(
    records: list[dict[str, Any]], columns: tuple[str | None, str | None]
) -> None:
    assert found(*records) == columns


def test_a_few_records_may_lack_a_time() -> None:
    records = [{"at": number, "created_at": "2026-11-30"} for number in range(99)]
    assert found(*records, {"at": 99}) == (None, "created_at")

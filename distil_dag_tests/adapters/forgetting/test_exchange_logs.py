"""Logs of servers lose forgotten exchanges while a server goes on writing them."""

from __future__ import annotations

from pathlib import Path

import pytest

from distil_dag.adapters.forgetting.exchange_logs import clean_log, places_in_log, rows_of
from distil_dag.adapters.serving.exchanges.open_log import open_exchange_log
from distil_dag.adapters.serving.exchanges.reader import open_reader
from distil_dag.stages.forgetting.phrases import phrases_of
from distil_dag.stages.forgetting.tombstones import Tombstones
from distil_dag_tests.conftest import Postgres
from distil_dag_tests.runs.forgetting.household import BOB, WORDS, exchange


def of_ann() -> Tombstones:
    stones = Tombstones()
    stones.add_ids(["exchange-of-ann-1"])
    stones.add_phrases(phrases_of(WORDS))
    return stones


def forgotten_under_way(address: str) -> None:
    stones = of_ann()
    with open_exchange_log(address) as log:
        log.put(exchange("exchange-of-ann-1", "ann", "yes"))
        log.put(exchange("exchange-2", "eve", f"and {WORDS}!"))
        log.put(exchange("exchange-of-bob-1", "bob", BOB[0]))
        while log.written < 3:
            pass
        assert list(places_in_log(address, stones))
        assert clean_log(address, stones) == 2
        log.put(exchange("exchange-of-bob-2", "bob", BOB[1]))
    assert {row["id"] for row in rows_of(address)} == {"exchange-of-bob-1", "exchange-of-bob-2"}
    assert list(places_in_log(address, stones)) == []
    assert clean_log(address, stones) == 0
    assert [one.id for one in open_reader(address).recent("home", 10)] == [
        "exchange-of-bob-1",
        "exchange-of-bob-2",
    ]


@pytest.mark.parametrize("place", ["log.sqlite", "folder", "memory://forgotten-log"])
def test_a_server_goes_on_writing(place: str, tmp_path: Path) -> None:
    forgotten_under_way(place if "://" in place else str(tmp_path / place))
    for path in tmp_path.rglob("*.jsonl"):
        assert b"attic" not in path.read_bytes()


def test_postgres_too(postgres: Postgres) -> None:
    forgotten_under_way(postgres.url())


def test_a_log_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    for place in (str(tmp_path / "no.sqlite"), str(tmp_path / "no folder")):
        assert list(rows_of(place)) == []
        assert clean_log(place, of_ann()) == 0

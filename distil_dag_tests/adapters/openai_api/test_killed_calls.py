"""A process that asks for much and is killed, or runs out of disk: what was finished is never asked again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from distil_dag_tests.adapters.openai_api.asking_process import asking, place_of
from distil_dag_tests.adapters.openai_api.faulty_server import Server, echo


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(echo)
    yield server
    server.stop()


@pytest.mark.parametrize("seed", range(3))
def test_after_kill_minus_nine_no_finished_call_is_made_again(
    server: Server, tmp_path: Path, seed: int
) -> None:
    finished: set[int] = set()
    process = asking(server.url, tmp_path, 400)
    assert process.stdout is not None
    for _ in range(random.Random(seed).randrange(5, 300)):
        finished.add(int(process.stdout.readline()))
    process.kill()
    finished |= {int(line) for line in process.stdout.read().split("\n")[:-1]}
    process.communicate()
    before, server.words = dict(server.words), type(server.words)()
    said, errors = asking(server.url, tmp_path, 400).communicate(timeout=300)
    assert said.split("\n")[-2] == "all 400", errors
    again = {place_of(words) for words in server.words}
    assert finished
    assert not finished & again
    # What the server had answered and the process had not yet read: at most what was in flight.
    assert len(again & {place_of(words) for words in before}) <= 8
    server.words.clear()
    asking(server.url, tmp_path, 400).communicate(timeout=300)
    assert not server.words


def test_a_full_disk_is_told_and_costs_nothing_that_was_finished(server: Server, tmp_path: Path) -> None:
    said, errors = asking(server.url, tmp_path, 2000, limit=100_000).communicate(timeout=300)
    finished = {int(line) for line in said.split()}
    assert "replies.sqlite cannot be used" in errors
    assert "disk is not full" in errors
    assert 0 < len(finished) < 2000
    server.words.clear()
    said, errors = asking(server.url, tmp_path, 2000).communicate(timeout=300)
    assert said.split("\n")[-2] == "all 2000", errors
    assert not finished & {place_of(words) for words in server.words}

"""Ids that were read are known again, in memory and on disk, asked for before or not."""

import pytest

from distil_dag.adapters.logs import seen_ids
from distil_dag.adapters.logs.seen_ids import SeenIds, key_of


@pytest.mark.parametrize("waiting", [2, 10_000])
@pytest.mark.parametrize("asks", [True, False])
def test_an_id_is_new_once(waiting: int, asks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_ids, "_MOST_WAITING", waiting)
    monkeypatch.setattr(seen_ids, "_MOST_VARIABLES", 3)
    seen = SeenIds()
    for turn in range(2):
        for start in range(0, 60, 10):
            keys = [key_of(str(number)) for number in (*range(start, start + 10), start)]
            if asks:
                seen.look_up(keys)
            assert [seen.add([key]) for key in keys] == [turn == 0] * 10 + [False]
    assert seen.has("7")
    assert not seen.has("60")


def test_ids_are_added_all_or_none() -> None:
    seen = SeenIds()
    assert seen.add([key_of("a"), key_of("a#1")])
    assert not seen.add([key_of("b"), key_of("a#1")])
    assert seen.add([key_of("b")])

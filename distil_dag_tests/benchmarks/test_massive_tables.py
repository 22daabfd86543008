"""The benchmark's tables say what its record holds, and a record is as good as a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from massive_tables import Cell, differences_table, dump_record, machines, read_record, shares_table

LOGS, METHODS = ("clean", "corrupted"), ("chain", "direct")


def cell(log: str, method: str, wrong: Sequence[str], split: int = 0, form: str = "Q8_0") -> Cell:
    return Cell("abc", log, split, method, 0, 10, 100, 60, "2026-11-27", "2 cores", {form: list(wrong)})


def test_a_cell_holds_the_ids_of_what_was_wrong_and_no_text() -> None:
    answers = [
        {"id": "a", "request": "lights on", "given": "{}", "exact": True},
        {"id": "b", "request": "secret words", "given": "{}", "exact": False},
    ]
    measured = {
        "log": "clean", "split": 1, "method": "chain", "seed": 0, "n": 2, "answers": {"Q8_0": answers},
        "date": "2026-11-27", "machine": "2 cores", "confirmed": ["b"],
    }  # fmt: skip
    found = Cell.of(measured, "abc")
    assert found.confirmed == ["b"]
    assert found.wrong == {"Q8_0": ["b"]}
    assert "secret" not in dump_record([found])


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    cells = [cell("corrupted", "chain", ["a"]), cell("clean", "direct", []), cell("clean", "chain", ["b"])]
    path = tmp_path / "results.jsonl"
    path.write_text(dump_record(cells))
    assert sorted(read_record(path), key=repr) == sorted(cells, key=repr)
    assert dump_record(read_record(path)) == dump_record(reversed(cells))
    assert read_record(tmp_path / "none.jsonl") == []


def test_machines_are_told_with_their_dates() -> None:
    cells = [cell("clean", "chain", []), replace(cell("clean", "direct", []), date="2026-11-29")]
    other = replace(cell("clean", "chain", [], split=1), machine="4 cores", seed=1)
    assert machines([*cells, other]) == [
        "- 2026-11-27, 2026-11-29, training seeds 0: 2 cores",
        "- 2026-11-27, training seeds 1: 4 cores",
    ]


def test_shares_are_means_over_splits_with_the_interval_of_all() -> None:
    cells = [cell("clean", "chain", ["a", "b"]), cell("clean", "chain", ["a", "b", "c", "d"], split=1)]
    cells = [replace(found, confirmed=["a", "d", "e"]) for found in cells]
    assert shares_table(cells, LOGS, METHODS)[-1] == (
        "| clean | chain | Q8_0 | 70.0% | 60.0% to 80.0% | 48.1% to 85.5% | 2 of 10 | 3 of 6 |  |"
    )


def test_probabilities_are_measured_where_answers_have_them() -> None:
    answers = [
        {"id": str(n), "exact": exact, "logprob": logprob}
        for n, (exact, logprob) in enumerate([(True, -0.1), (True, -0.9), (False, -0.5), (False, None)])
    ]
    plain = [{"id": row["id"], "exact": row["exact"]} for row in answers]
    measured = {
        "log": "clean", "split": 0, "method": "chain", "seed": 0, "n": 4,
        "answers": {"Q8_0": plain, "decoder": answers}, "date": "2026-11-27", "machine": "2 cores",
        "confirmed": [],
    }  # fmt: skip
    found = Cell.of(measured, "abc")
    assert found.auroc == {"decoder": 0.75}
    assert shares_table([found], LOGS, METHODS)[-1].endswith("| 1 of 4 | 0 of 0 | 0.750 (1) |")


def test_differences_are_of_the_same_tests_only() -> None:
    cells = [
        cell("clean", "chain", ["a"]),
        cell("clean", "direct", ["a", "b"]),
        cell("corrupted", "chain", ["a", "c"]),
        cell("corrupted", "direct", ["a", "b", "c", "d", "e", "f"]),
        cell("corrupted", "direct", ["a"], split=1),
    ]
    clean, corrupted = (line.split(" | ") for line in differences_table(cells, LOGS)[2:])
    assert clean[1].startswith("+10.0 (")
    assert [part.split(" (")[0] for part in corrupted[1:]] == ["+40.0", "-10.0", "-40.0"]

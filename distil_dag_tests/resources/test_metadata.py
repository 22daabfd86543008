"""Tables as the UI of Dagster shows them."""

from __future__ import annotations

from typing import Any

from distil_dag.resources.metadata import table


def cells(rows: list[dict[str, Any]], **how: Any) -> list[list[str]]:
    lines = str(table(rows, **how).value).splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines if line.startswith("| ")]


def test_numbers_read_as_they_are_and_what_is_missing_is_empty() -> None:
    rows = [{"a": 12345678, "b": 1.23456, "c": None, "d": "1e5", "e": True}, {"a": None, "b": 2, "d": "007"}]
    assert cells(rows) == [
        ["a", "b", "c", "d", "e"],
        ["12345678", "1.23", "", "1e5", "True"],
        ["", "2", "", "007", ""],
    ]


def test_columns_are_chosen_and_rows_left_out_are_counted() -> None:
    rows = [{"a": n, "b": n} for n in range(30)]
    assert cells(rows, columns=["b"], limit=2) == [["b"], ["0"], ["1"]]
    assert str(table(rows, limit=2).value).endswith("\n\n*28 more rows*")
    assert table([]).value == table([{}]).value == "*none*"


def test_no_cell_ends_early_or_opens_markup() -> None:
    (_, row) = cells([{"a": "x|y\n| z", "b": "<img src=x>", "c": "[a](b) `c`", "d": "w" * 200}])
    assert row[:3] == ["x\\|y \\| z", "&lt;img src=x>", "\\[a](b) \\`c\\`"]
    assert row[3] == "w" * 157 + "…"

"""Tables as the UI of Dagster shows them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from distil_dag.resources.metadata import figures, table
from distil_dag_tests.paths import ROOT


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


def _keys(node: ast.AST) -> Iterator[str]:
    """The literal keys of dicts, without those of rows: rows stand in lists and in tables."""
    if isinstance(node, ast.List | ast.ListComp) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "table"
    ):
        return
    if isinstance(node, ast.Dict):
        yield from (key.value for key in node.keys if isinstance(key, ast.Constant))
    for child in ast.iter_child_nodes(node):
        yield from _keys(child)


def test_metadata_keys_have_one_style() -> None:
    found = {
        f"{path.name}: {key}"
        for folder in ("assets", "resources")
        for path in (ROOT / "distil_dag" / folder).glob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef) and function.name.endswith("metadata")
        for key in _keys(function)
    }
    assert len(found) > 50
    assert {key for key in found if not re.search(r": (dagster/)?[a-z0-9]+(_[a-z0-9]+)*$", key)} == set()


def test_names_of_figures_become_keys() -> None:
    assert figures({"lead over teacher, 3 examples": 0.123456}) == {"lead_over_teacher_3_examples": 0.1235}

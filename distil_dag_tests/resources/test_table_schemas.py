"""The columns that the page shows, against the rows that are written."""

from __future__ import annotations

from typing import Any

import pytest

from distil_dag.adapters.logs.intake import SCHEMAS
from distil_dag.core.case import Case, Example, HeldOut
from distil_dag.core.columns import COLUMNS
from distil_dag.core.tables import TABLES
from distil_dag.core.tool_call import Answer
from distil_dag.core.verdict import Verdict
from distil_dag.resources.table_schemas import table_schemas
from distil_dag.stages.evaluating.answers import Answered, Scored, answer_row
from distil_dag.stages.evaluating.metrics import METRICS, CaseScore
from distil_dag.stages.synthesis.loop import Rejected

_CASE = Case(id="1", messages=())
_ANSWER = Scored(_CASE, Answered("", confidence=0.5, confident=True, logprob=-1.0), Answer(), CaseScore(dict.fromkeys(METRICS, 1.0), ""))  # fmt: skip  # noqa: E501
ROWS: dict[str, dict[str, Any]] = {
    "test": HeldOut(id="1", messages=(), production=()).row(),
    **dict.fromkeys(
        ("seeds", "context", "calibration", "synthetic"), Example(id="1", messages=(), origin="seed").row()
    ),
    "unlabelled": _CASE.row(),
    "verdicts": Verdict(
        trace_id="1", request="", calls=(), outcome="passed", score=0.5, reason="", judge=""
    ).row(),
    "rejected": Rejected("1", "", (), "", "", "").row(),
    "answers": answer_row("student", _ANSWER),
}
_TYPES = {"bool": bool, "double": float, "string": str}


def test_every_table_says_what_its_columns_hold() -> None:
    assert set(COLUMNS) == set(TABLES.values())
    for columns in COLUMNS.values():
        assert all(column.holds.endswith(".") for column in columns)


@pytest.mark.parametrize("name", ROWS)
def test_the_columns_are_those_of_the_rows(name: str) -> None:
    columns = {column.name: column for column in COLUMNS[TABLES[name]]}
    assert set(columns) == set(ROWS[name])
    for column, value in ROWS[name].items():
        assert value is None or isinstance(value, _TYPES[columns[column].type]), column


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_columns_are_those_that_intake_writes(name: str) -> None:
    columns = {(column.name, column.type) for column in COLUMNS[TABLES[name]]}
    assert columns == {(field.name, str(field.type)) for field in SCHEMAS[name]}


def test_one_table_of_an_asset_is_shown_as_its_columns() -> None:
    assert set(table_schemas("synthetic_set")) == {
        "dagster/column_schema",
        "columns_of_rejected",
        "columns_of_origins",
    }
    shown = {
        column.name: column.description
        for column in table_schemas("eval_report")["dagster/column_schema"].columns
    }
    assert shown["expected"] == "JSON: the right calls."
    assert table_schemas("leaderboard") == {}

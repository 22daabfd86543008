"""What the page says and where: the telling failures first, terms with their meaning, names that break."""

from __future__ import annotations

import re
from typing import Any

import pytest

from distil_dag.stages.reporting.failures import kinds, most_telling
from distil_dag.stages.reporting.html import report_html
from distil_dag_tests.stages.reporting.full_report import HOSTILE, RUN, STUDENT, full_report


@pytest.fixture(scope="module")
def page() -> str:
    return report_html(full_report(), RUN, [("base", "smollm2@sha256:b179")], [("training", "epochs 3.5")])


def failure(case: str, why: str, right: int = 0, confident: bool = False) -> dict[str, Any]:
    return {"case": case, "why": why, "right": ["x"] * right, "confident": confident}


def test_the_telling_failures_are_of_every_kind_and_the_worst_of_it() -> None:
    rows = [
        failure("a", "wrong value: area"),
        failure("b", "wrong value: area", right=3),
        failure("c", "wrong value: area; missing argument: device", confident=True),
        failure("d", "no call", right=2),
        failure("e", "unparseable: Expecting value: line 1"),
    ]
    assert kinds(rows)[0] == ("wrong value: area", 3)
    assert ("unparseable", 1) in kinds(rows)
    assert [row["case"] for row in most_telling(rows, 3)] == ["c", "d", "e"]
    assert {row["case"] for row in most_telling(rows, 9)} == set("abcde")
    assert most_telling([], 5) == []


def test_every_failure_stands_once_and_five_of_them_on_the_first_screen(page: str) -> None:
    first, _, rest = page.partition('<details class="part">')
    assert first.count('class="request"') == 5
    assert rest.count('class="request"') == len(full_report().failures) - 5


def test_the_verdict_the_table_and_what_made_the_student_come_before_all_else(page: str) -> None:
    places = [
        page.index(words)
        for words in (f"{STUDENT} answers", "the file that ships", "smollm2@sha256:b179", 'id="coverage"')
    ]
    assert places == sorted(places)
    assert places[-1] < page.index("<details")
    assert "epochs 3.5" in page[page.index('id="settings"') :]


def test_terms_are_explained_on_the_screen_that_first_uses_them(page: str) -> None:
    first = page.partition('<details class="part">')[0]
    defined = re.findall(r"<dfn>([^<]+)</dfn>", first)
    assert {"exact match", "interval", "staged", "decoder", "threshold", "cell"} <= set(defined)
    rest = {term.lower() for term in re.findall(r"<dfn>([^<]+)</dfn>", page)}
    assert {"strict match", "paired", "bootstrap", "detectable", "greedy", "auroc", "convention"} <= rest


def test_names_may_go_on_in_the_next_line_and_stay_whole_where_they_are_copied(page: str) -> None:
    assert "<h1>smart_<wbr>home.20261124T110000Z_<wbr>20261117T110000Z_<wbr>with_<wbr>a_<wbr>" in page
    assert f"<title>{RUN}: evaluation</title>" in page
    assert f"distil-dag eval {RUN} --model {RUN}" in page
    assert "3.<wbr>5" not in page


def test_requests_of_users_stay_text(page: str) -> None:
    assert HOSTILE.partition(" ")[0] not in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page

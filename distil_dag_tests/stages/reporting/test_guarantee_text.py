"""What the report says of a guarantee, in all its forms."""

from __future__ import annotations

from distil_dag.stages.reporting.guarantee_text import further, guaranteed
from distil_dag.stages.reporting.html import report_html
from distil_dag.stages.reporting.markdown import report_markdown
from distil_dag.stages.serving.proving.guarantee import guarantee
from distil_dag_tests.stages.reporting.full_report import full_report

RIGHT, WRONG = [(-0.1 * place, True) for place in range(150)], [(-90.0, False)] * 50


def test_what_is_guaranteed_stands_beside_what_looks_so() -> None:
    found = guarantee([*RIGHT, *WRONG], 0.95)
    assert guaranteed(found).startswith(
        "200 rows guarantee for 73.5 % of requests that 95 % of them are right"
    )
    assert "with 95 % confidence (147 of 147); 75 % look so without" in guaranteed(found)
    assert further(found) == (
        "More rows like these would guarantee 80 % and more: never, if they go on to be right as often."
    )


def test_too_few_rows_say_how_many_are_missing() -> None:
    found = guarantee(RIGHT[:64], 0.98)
    assert "64 rows guarantee for no share of requests" in guaranteed(found)
    assert "10 %: 1,417 more; 20 %: 677 more" in further(found)
    assert further(found).endswith("100 %: 85 more.")


def test_page_and_text_tell_it() -> None:
    report = full_report()
    assert report.confidence
    assert report.confidence.guarantee
    said = guaranteed(report.confidence.guarantee)
    assert said in report_markdown(report)
    # On the first screen and in its part.
    assert report_html(report, "home").count(said) == 2


def test_a_report_without_it_says_nothing_of_it() -> None:
    report = full_report()
    assert report.confidence
    old = report.model_copy(update={"confidence": report.confidence.model_copy(update={"guarantee": None})})
    assert "guarantee" not in report_markdown(old)
    assert "look so without" not in report_html(old, "home")

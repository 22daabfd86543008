"""When a student is believed: calibration, the threshold, and what the report makes of them."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from distil_dag.core.confidence import PREFIX, Confidence
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.settings import EvaluationSpec, PriceSpec
from distil_dag.core.tool_call import render_calls
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.evaluating.calibration import calibrated
from distil_dag.stages.evaluating.candidate import TEACHER
from distil_dag.stages.evaluating.evaluate import Shipped, evaluate, evaluate_model
from distil_dag.stages.evaluating.selective_prediction import Price, Sure, confidence_report
from distil_dag.stages.reporting.html import report_html
from distil_dag.stages.reporting.markdown import report_markdown
from distil_dag.stages.statistics import area_interval
from distil_dag_tests.stages.evaluating.test_evaluate import TOOLS, Scripted, held_out

SPEC = EvaluationSpec(bootstrap=200)


def drawn(
    count: int, seed: int = 0, slope: float = 4.0, intercept: float = 2.0
) -> tuple[list[float], list[bool]]:
    """Log-probabilities, and answers that are right as often as slope and intercept say."""
    draw = random.Random(seed)
    logs = [-2 * draw.random() ** 2 for _ in range(count)]
    return logs, [draw.random() < 1 / (1 + math.exp(-(slope * log + intercept))) for log in logs]


def test_the_fit_finds_the_odds_that_were_drawn() -> None:
    logs, right = drawn(20_000)
    found = calibrated(logs, right, 0.9)
    assert (found.slope, found.intercept) == (pytest.approx(4, abs=0.2), pytest.approx(2, abs=0.1))
    # At the maximum of the likelihood, claims and targets agree in sum and in their first moment.
    hits = sum(right)
    targets = [(hits + 1) / (hits + 2) if one else 1 / (len(right) - hits + 2) for one in right]
    claims = [found.right_with(log) for log in logs]
    assert sum(claims) == pytest.approx(sum(targets), rel=1e-5)
    assert np.dot(claims, logs) == pytest.approx(np.dot(targets, logs), rel=1e-5)


@pytest.mark.parametrize(
    ("logs", "right"),
    [
        ([-0.1, -0.2, -3.0, -4.0], [True, True, False, False]),
        ([-0.5] * 4, [True, False, True, True]),
        ([-0.1], [True]),
        ([-1000.0, -1e-9], [False, True]),
    ],
    ids=["separable", "equal", "one", "far apart"],
)
def test_any_answers_can_be_fitted(logs: list[float], right: list[bool]) -> None:
    found = calibrated(logs, right, 0.98)
    assert all(0 < found.right_with(log) < 1 for log in (-50.0, -1.0, 0.0))
    assert found.right_with(logs[0]) >= 0.5 or not right[0]


def test_less_probable_answers_are_never_believed_more() -> None:
    found = calibrated([-0.1, -0.2, -3.0, -4.0], [False, False, True, True], 0.98)
    assert found.slope == 0
    assert found.right_with(-0.1) == found.right_with(-4.0) == pytest.approx(0.5)


def test_the_threshold_keeps_as_many_as_the_precision_allows() -> None:
    logs = [-0.1, -0.2, -0.3, -0.4, -0.5, -0.6]
    right = [True, True, True, False, True, False]
    found = calibrated(logs, right, 0.8)
    assert (found.threshold, found.kept, found.kept_right) == (-0.5, 5, 4)
    assert calibrated(logs, right, 0.81).threshold == -0.3
    assert found.holds(-0.5)
    assert not found.holds(-0.51)


def test_an_answer_that_was_cut_off_comes_last() -> None:
    whole = [Sure(-0.1, True), Sure(-2.0, True), Sure(-3.0, True)]
    report = confidence_report("s", [Sure(-math.inf, False), *whole], SPEC)
    assert report is not None
    assert report.auroc is not None
    assert report.auroc.value == 1.0
    assert [(point.n, point.exact.value) for point in report.curve][-2:] == [(3, 1.0), (4, 0.75)]


def test_equal_probabilities_are_kept_together_or_not_at_all() -> None:
    found = calibrated([-0.1, -0.1, -0.2], [True, False, True], 0.9)
    assert (found.threshold, found.kept) == (None, 0)
    assert not found.holds(0.0)


def test_without_answers_nothing_is_calibrated() -> None:
    with pytest.raises(ValueError, match="one at least"):
        calibrated([], [], 0.9)


@pytest.mark.parametrize("target", [0.5, 0.9999])
def test_key_values_and_back(target: float) -> None:
    found = calibrated(*drawn(60), target)
    carried = found.key_values()
    assert all(name.startswith(PREFIX) for name in carried)
    assert Confidence.from_key_values({"general.name": "x", **carried}) == found
    assert Confidence.from_key_values({"general.name": "x"}) is None
    with pytest.raises(ValueError, match="are damaged"):
        Confidence.from_key_values({**carried, f"{PREFIX}slope": "steep"})


def test_an_area_has_an_interval_even_where_all_is_told_apart() -> None:
    found = area_interval(1.0, 20, 10)
    assert found.high == 1.0
    assert 0.75 < found.low < 0.95
    half = area_interval(0.5, 50, 50)
    assert half.high - 0.5 == pytest.approx(0.5 - half.low)
    # Hanley and McNeil's standard error at 0.5 is sqrt((1 + 2 * 49 / 3) / 12 / ...), near 0.058 here.
    assert 0.5 - half.low == pytest.approx(1.96 * 0.058, abs=0.01)


def sure(count: int = 400, known: Confidence | None = None, seed: int = 1) -> list[Sure]:
    return [
        Sure(
            log,
            hit,
            known.right_with(log) if known else None,
            known.holds(log) if known else None,
            teacher_right=True,
        )
        for log, hit in zip(*drawn(count, seed), strict=True)
    ]


def test_the_report_of_true_probabilities() -> None:
    known = calibrated(*drawn(20_000), 0.75)
    report = confidence_report("student", sure(known=known), SPEC, known)
    assert report is not None
    assert report.auroc is not None
    assert 0.7 < report.auroc.low < report.auroc.value < report.auroc.high < 0.95
    assert report.kept is not None
    assert report.precision is not None
    assert report.precision.low < 0.75 < report.precision.high
    assert 0.2 < report.kept.value < 0.9
    assert report.calibration_error is not None
    assert report.calibration_error_by_chance is not None
    assert 0 < report.calibration_error < report.calibration_error_by_chance < 0.1
    assert [report.curve[0].n, report.curve[-1].coverage] == [20, 1.0]
    assert all(one.n < two.n for one, two in zip(report.curve, report.curve[1:], strict=False))
    assert report.curve[0].exact.value > report.curve[-1].exact.value
    assert (report.teacher_cost, report.blended_cost) == (None, None)
    assert report.teacher_exact is not None
    assert report.teacher_exact.value > report.curve[-1].exact.value


def test_probabilities_that_claim_too_much_are_found_out() -> None:
    claims_all = Confidence(
        slope=0.0,
        intercept=5.0,
        threshold=-9.0,
        target_precision=0.9,
        cases=50,
        right=50,
        kept=50,
        kept_right=50,
    )
    report = confidence_report("student", sure(known=claims_all), SPEC, claims_all)
    assert report is not None
    assert (report.calibration_error or 0) > 3 * (report.calibration_error_by_chance or 1)


def test_what_is_not_kept_costs_what_the_teacher_takes() -> None:
    known = calibrated(*drawn(500), 0.9)
    price = Price(PriceSpec(prompt_per_million=2.0, completion_per_million=10.0), 500.0, 20.0)
    report = confidence_report("student", sure(known=known), SPEC, known, price)
    assert report is not None
    assert report.kept is not None
    assert report.teacher_cost == pytest.approx(1000 * (500 * 2 + 20 * 10) / 1e6)
    assert report.blended_cost == pytest.approx((1 - report.kept.value) * 1.2)
    hourly = confidence_report("student", sure(known=known), SPEC, known, Price(PriceSpec(per_hour=2), 5, 2))
    assert hourly is not None
    assert hourly.blended_cost is None


def test_without_calibration_there_is_a_curve_and_no_threshold() -> None:
    report = confidence_report("student", sure(), SPEC)
    assert report is not None
    assert (report.kept, report.precision, report.calibration_error) == (None, None, None)
    assert confidence_report("student", [], SPEC) is None
    right = confidence_report("student", [Sure(-0.1, True)], SPEC)
    assert right is not None
    assert right.auroc is None


def evaluated() -> EvalReport:
    cases = held_out()
    known = calibrated(*drawn(80), 0.9)
    draw = random.Random(3)
    answers: dict[str, Answered | str | None] = {}
    for case, log, hit in zip(cases, *drawn(len(cases), 5), strict=True):
        text = render_calls(case.calls) if hit else "<tool_call>{"
        answers[case.id] = Answered(
            text, 5.0, logprob=log, confidence=known.right_with(log), confident=known.holds(log)
        )
    teacher: dict[str, Answered | str | None] = {
        case.id: Answered(render_calls(case.calls) if draw.random() < 0.9 else "", tokens=(900, 30))
        for case in cases
    }
    shipped = Shipped(confidence=known, price=PriceSpec(prompt_per_million=1.0))
    candidates = [Scripted("student", answers), Scripted(TEACHER, teacher)]
    report, rows = evaluate(cases, TOOLS, candidates, SPEC, shipped=shipped)
    assert {row["confident"] for row in rows if row["candidate"] == "student"} == {True, False}
    assert {row["probability"] for row in rows if row["candidate"] == TEACHER} == {None}
    return report


def test_page_and_markdown_say_when_to_believe() -> None:
    report = evaluated()
    assert report.confidence is not None
    assert report.confidence.blended_cost is not None
    assert report.confidence.teacher_cost == pytest.approx(0.9)
    assert {"probability", "confidence", "confident"} <= set(report.failures[0])
    page, text = report_html(report, "run"), report_markdown(report)
    assert "When can it be believed?" in page
    assert "for a precision of 90.0 %, chosen on 80 logged requests" in page
    assert page.count('<path class="curve"') == 1
    assert "It was chosen on 80 other requests, so that 90 % of the answers used are right" in page
    assert "the threshold for a precision of 90 %, chosen on 80 other requests" in text
    assert "1,000 requests then cost" in text


def test_one_model_says_how_sure_it_was() -> None:
    cases = held_out(10)
    answers: dict[str, Answered | str | None] = {
        case.id: Answered(render_calls(case.calls) if place % 2 else "", logprob=-0.1 * (10 - place))
        for place, case in enumerate(cases)
    }
    found = evaluate_model(cases, TOOLS, Scripted("file.gguf", answers), SPEC)
    assert found["confidence"]["auroc"]["value"] > 0.5
    assert found["confidence"]["kept"] is None
    assert found["failures"][0]["probability"] == pytest.approx(math.exp(-1.0), abs=1e-4)

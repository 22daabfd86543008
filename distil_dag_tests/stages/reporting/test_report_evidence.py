"""What the report says against itself: copies of the test, conventions, what quantising costs."""

from __future__ import annotations

from typing import Any

import pytest

from distil_dag.core.case import Case, HeldOut, Message
from distil_dag.core.normalise import ENGLISH, Normaliser
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.evidence import Disagreement, LabelNoiseReport
from distil_dag.core.settings import EvaluationSpec
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.candidate import CHECKPOINT
from distil_dag.stages.evaluating.evaluate import Learned, Shipped, evaluate
from distil_dag.stages.reporting.html import report_html
from distil_dag.stages.reporting.markdown import report_markdown
from distil_dag_tests.stages.evaluating.test_evaluate import Scripted

SPEC = EvaluationSpec(bootstrap=200)
TOOLS = Toolset.from_openai(
    [
        {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {
                    "room": {"type": "string"},
                    "mood": {"type": "string"},
                    "item": {"type": "string"},
                },
            },
        }
        for name in ("light_on", "buy")
    ]
)


def case(id: str, words: str, name: str = "light_on", **arguments: Any) -> HeldOut:
    calls = (ToolCall(name=name, arguments=arguments),)
    return HeldOut(id=id, messages=(Message(role="user", content=words),), calls=calls)


def measured(
    test: list[HeldOut],
    given: dict[str, list[ToolCall]],
    log: list[HeldOut],
    tables: dict[str, list[HeldOut]] | None = None,
) -> EvalReport:
    """A student that is right but where `given` says otherwise, and a checkpoint that is right."""
    right = {item.id: render_calls(item.calls) for item in test}
    answers = right | {id: render_calls(calls) for id, calls in given.items()}
    learned = Learned(tables or {"seeds": log}, frozenset({"seeds"}), log, 0.95, ENGLISH)
    candidates = [Scripted("student Q8_0", dict(answers)), Scripted(CHECKPOINT, dict(right))]
    report, _ = evaluate(test, TOOLS, candidates, SPEC, learned=learned, shipped=Shipped(["student Q8_0"]))
    return report


def conventions(report: EvalReport) -> LabelNoiseReport:
    assert report.conventions is not None
    return report.conventions


def only(report: EvalReport) -> Disagreement:
    (row,) = conventions(report).disagreements
    return row


def test_copies_of_the_test_are_counted_and_the_score_is_told_by_similarity() -> None:
    test = [
        case("t1", "turn on the light in the hall", room="hall"),
        case("t2", "i need some milk", "buy", item="milk"),
    ]
    tables = {
        "seeds": [
            case("s1", "please turn on a light in the hall", room="hall"),
            case("s2", "fetch eggs", "buy"),
        ],
        "context": [case("c1", "I need some milk!", "buy", item="milk")],
    }
    found = measured(test, {"t2": []}, [], tables).leakage
    assert found is not None
    rows = {row.table: row for row in found.tables}
    assert (rows["seeds"].trained_on, rows["seeds"].same_words, rows["seeds"].nearest["max"]) == (
        True,
        1,
        1.0,
    )
    assert (rows["context"].trained_on, rows["context"].same_words) == (False, 1)
    # The copy of t2 was not trained on, so t2 counts among the unlike ones, where the student is wrong.
    assert [(band.low, band.n, band.exact.value) for band in found.bands] == [(1.0, 1, 1.0), (0.0, 1, 0.0)]


def test_a_table_without_rows_is_like_nothing() -> None:
    found = measured([case("t1", "light", room="hall")], {}, [], {"seeds": [], "context": []}).leakage
    assert found is not None
    assert [row.nearest["max"] for row in found.tables] == [0.0, 0.0]
    assert [(band.low, band.n) for band in found.bands] == [(0.0, 1)]


def test_a_convention_on_which_the_log_is_split_is_set_aside_beside_the_result() -> None:
    test = [case(f"t{n}", f"cosy light in room {n}", room=f"room {n}", mood="cosy") for n in range(10)]
    given = {f"t{n}": [ToolCall(name="light_on", arguments={"room": f"room {n}"})] for n in range(3)}
    log = [case(f"l{n}", f"cosy light {n}", **({"mood": "cosy"} if n % 2 else {})) for n in range(20)]
    report = measured(test, given, log)
    row = only(report)
    assert (row.kind, row.tool, row.argument, row.cases) == (
        "missing argument", "light_on", "mood", ["t0", "t1", "t2"],
    )  # fmt: skip
    assert (row.log_as_label, row.log_otherwise, row.convention) == (10, 10, True)
    assert (conventions(report).set_aside, conventions(report).exact.value) == (3, 1.0)
    assert report.candidates[0].metrics["tool_call_equivalence"].value == 0.7
    text = report_markdown(report)
    assert "70.0 % of 10 held-out requests" in text
    assert "beside the result, not in its place" in text
    assert "beside the result, not in its place" in report_html(report, "run").lower()


@pytest.mark.parametrize(
    ("log_room", "with_label", "against"),
    [("hall", 6, 0), ("the hall", 0, 6)],
    ids=["as the test", "otherwise"],
)
def test_boundaries_are_counted_over_all_values_that_have_them(
    log_room: str, with_label: int, against: int
) -> None:
    test = [case(f"t{n}", "light in the attic please", room="attic") for n in range(2)]
    given = {item.id: [ToolCall(name="light_on", arguments={"room": "the attic"})] for item in test}
    log = [case(f"l{n}", "light in the hall", room=log_room) for n in range(6)]
    report = measured(test, given, log)
    row = only(report)
    assert (row.kind, row.log_as_label, row.log_otherwise) == ("other boundary", with_label, against)
    assert row.convention is bool(against)
    assert conventions(report).set_aside == (2 if against else 0)


def test_what_the_student_got_wrong_by_itself_is_no_convention() -> None:
    """The log is clear, or the wrong one of two things was taken, or it is one case alone."""
    test = [
        case("t1", "light in the attic and not in the hall", room="attic"),
        case("t2", "light in the attic, never the hall", room="attic"),
        case("t3", "get milk", "buy", item="milk"),
    ]
    hall = [ToolCall(name="light_on", arguments={"room": "hall"})]
    log = [case(f"l{n}", "light in the hall", room="hall") for n in range(9)]
    log += [
        case(f"{name}{n}", f"get milk {n}", name, item="milk")
        for n in range(6)
        for name in ("buy", "light_on")
    ]
    light = [ToolCall(name="light_on", arguments={"item": "milk"})]
    report = measured(test, {"t1": hall, "t2": hall, "t3": light}, log)
    rows = {row.kind: row for row in conventions(report).disagreements}
    assert (rows["wrong value"].log_as_label, rows["wrong value"].log_otherwise) == (0, 0)
    assert (rows["wrong tool"].log_as_label, rows["wrong tool"].log_otherwise) == (6, 6)
    assert not any(row.convention for row in rows.values())
    assert conventions(report).exact == report.candidates[0].metrics["tool_call_equivalence"]


def test_a_disagreement_names_who_answers_alike() -> None:
    test = [case("t1", "cosy light", mood="cosy")]
    plain = render_calls([ToolCall(name="light_on")])
    candidates = [Scripted(name, {"t1": plain}) for name in ("student", "student f16", "teacher")]
    learned = Learned({}, frozenset(), [], 0.95, ENGLISH)
    report, _ = evaluate(test, TOOLS, [*candidates, Scripted("other", {"t1": "no"})], SPEC, learned=learned)
    assert only(report).others == {"teacher": 1}


def test_a_copy_of_the_test_is_one_in_the_language_of_the_users() -> None:
    test, log = case("t1", "licht an", room="flur"), case("s1", "hey olga, licht an bitte", room="flur")
    found = []
    for normaliser in (ENGLISH, Normaliser(("hey olga", "bitte"))):
        learned = Learned({"seeds": [log]}, frozenset({"seeds"}), [log], 0.95, normaliser)
        student = Scripted("student", {"t1": "none"})
        found.append(evaluate([test], TOOLS, [student], SPEC, learned=learned)[0].leakage)
    assert [report.tables[0].same_words for report in found if report] == [0, 1]


def test_what_quantising_costs_is_paired_with_the_checkpoint() -> None:
    test: list[HeldOut] = [case(f"t{n}", f"light {n}", room="hall") for n in range(20)]
    report = measured(test, {"t1": [], "t2": []}, [])
    (row,) = report.quantisation
    assert (row.first, row.second, row.n, row.second_only) == ("student Q8_0", CHECKPOINT, 20, 2)
    assert row.bootstrap is not None
    assert row.bootstrap.low < row.difference.value == pytest.approx(-0.1)
    assert "What quantising costs" in report_html(report, "run")
    assert "| file minus checkpoint |" in report_markdown(report)


def test_other_cases_are_cases() -> None:
    """Plain cases, without what production said, are enough for a log."""
    log = [Case(id="l", messages=(Message(role="user", content="light"),))]
    learned = Learned({"seeds": log}, frozenset({"seeds"}), log, 0.95, ENGLISH)
    report, _ = evaluate(
        [case("t", "light")], TOOLS, [Scripted("student", {"t": "x"})], SPEC, learned=learned
    )
    assert only(report).kind == "missing call"

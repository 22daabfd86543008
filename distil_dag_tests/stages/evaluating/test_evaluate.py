from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

import pytest

from distil_dag.adapters.candidates.baselines import LookupCandidate, ProductionCandidate
from distil_dag.core.case import Case, HeldOut, Message
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.settings import EvaluationSpec
from distil_dag.core.tool_call import NO_CALL, UNKNOWN_TOOL, ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.evaluating.breakdown import UNKNOWN_ARGUMENT
from distil_dag.stages.evaluating.candidate import BASE, LOOKUP, PRODUCTION
from distil_dag.stages.evaluating.evaluate import evaluate, evaluate_model
from distil_dag.stages.evaluating.metrics import EXACT, METRICS
from distil_dag.stages.ports import Progress, quiet
from distil_dag.stages.reporting.html import report_html
from distil_dag.stages.reporting.markdown import report_markdown, verdict

SPEC = EvaluationSpec(bootstrap=200)
ROOMS = ("kitchen", "hall", "attic", "cellar")
TOOLS = Toolset.from_openai(
    [
        {"name": name, "parameters": {"type": "object", "properties": {"room": {"type": "string"}}}}
        for name in ("light_on", "light_off")
    ]
)
XSS = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} \u202eabc \x00 \"'"


class Scripted:
    """Answers what it was given, by case id."""

    model = "scripted@1"
    bytes = 5

    def __init__(self, name: str, answers: dict[str, Answered | str | None]) -> None:
        self.name = name
        self.answers = answers

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        found = [self.answers.get(case.id) for case in cases]
        progress(len(cases), len(cases))
        return [Answered(given, 10.0) if isinstance(given, str) else given for given in found]


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name=name, arguments=arguments)


def held_out(count: int = 40) -> list[HeldOut]:
    cases = []
    for number in range(count):
        name = "light_on" if number % 2 else "light_off"
        calls = () if number % 10 == 9 else (call(name, room=ROOMS[number % 4]),)
        words = f"request {number} {name} {ROOMS[number % 4]}"
        production = (call("light_on"),) if number % 4 == 0 else None
        cases.append(
            HeldOut(
                id=f"c{number}",
                messages=(Message(role="user", content=words),),
                calls=calls,
                production=production,
            )
        )
    return cases


def scripted(name: str, cases: Sequence[Case], share: float, seed: int = 0) -> Scripted:
    """Right on this share of the cases, and calls a wrong tool elsewhere."""
    draw = random.Random(seed)
    wrong = render_calls([call("sing", room="bath")])
    return Scripted(
        name, {case.id: render_calls(case.calls) if draw.random() < share else wrong for case in cases}
    )


def test_candidates_are_compared_on_the_cases_that_both_answered() -> None:
    cases = held_out()
    report, answers = evaluate(
        cases,
        TOOLS,
        [scripted("student Q8_0", cases, 0.9), scripted(BASE, cases, 0.1), ProductionCandidate()],
        SPEC,
        test_labels="frozen file",
    )
    assert report.student == "student Q8_0"
    assert [row.name for row in report.candidates] == ["student Q8_0", BASE, PRODUCTION]
    assert report.candidate(PRODUCTION).n == 10
    against = report.against("student Q8_0", BASE)
    assert against.difference.low > 0
    assert against.n == 40
    assert against.first_only - against.second_only == pytest.approx(40 * against.difference.value)
    assert against.p_value < 0.001
    assert report.against("student Q8_0", PRODUCTION).n == 10
    assert len(answers) == 90
    assert {"candidate", "case_id", "request", "expected", "answer", "exact", *METRICS} <= set(answers[0])
    exact = report.candidate("student Q8_0").metrics[EXACT].value
    assert exact == sum(row["exact"] for row in answers if row["candidate"] == "student Q8_0") / 40
    assert len(report.failures) == 40 - round(40 * exact)
    assert EvalReport.model_validate_json(report.model_dump_json()) == report


def test_equal_candidates_are_not_told_apart() -> None:
    cases = held_out()
    report, _ = evaluate(
        cases, TOOLS, [scripted("student", cases, 0.7, 1), scripted(LOOKUP, cases, 0.7, 2)], SPEC
    )
    gap = report.against("student", LOOKUP).difference
    assert gap.low < 0 < gap.high
    assert "not distinguishable from lookup" in verdict(report)


def test_a_production_log_that_knows_no_case_is_left_out() -> None:
    cases = [case.model_copy(update={"production": None}) for case in held_out()]
    report, _ = evaluate(cases, TOOLS, [scripted("student", cases, 1.0), ProductionCandidate()], SPEC)
    assert [row.name for row in report.candidates] == ["student"]
    assert not report.comparisons


def test_breakdown_by_tool_and_argument() -> None:
    cases = [
        HeldOut(id="1", messages=(), calls=(call("light_on", room="hall"),)),
        HeldOut(id="2", messages=(), calls=(call("light_on", room="attic"),)),
        HeldOut(id="3", messages=(), calls=(call("light_off", room="hall"),)),
        HeldOut(id="4", messages=(), calls=()),
        HeldOut(id="5", messages=(), calls=(call("light_off"),)),
    ]
    student = Scripted(
        "student",
        {
            "1": render_calls(cases[0].calls),
            "2": render_calls([call("light_on", room="hall", colour="red")]),
            "3": render_calls([call("light_on", room="hall")]),
            "4": render_calls([call("dance")]),
            "5": "<tool_call>{",
        },
    )
    report, _ = evaluate(cases, TOOLS, [student], SPEC)
    tools = report.candidates[0].per_tool
    assert {name: (row["n"], row["exact"]) for name, row in tools.items()} == {
        "light_on": (2, 1), "light_off": (2, 0), NO_CALL: (1, 0), UNKNOWN_TOOL: (0, 0),
    }  # fmt: skip
    assert (tools["light_on"]["precision"], tools["light_on"]["recall"]) == (pytest.approx(2 / 3), 1.0)
    assert (tools["light_off"]["precision"], tools["light_off"]["recall"]) == (None, 0.0)
    arguments = report.candidates[0].per_argument
    assert arguments["room"] == {
        "expected": 3, "given": 3, "correct": 1, "missing": 1, "wrong_value": 1, "extra": 1,
        "precision": pytest.approx(1 / 3), "recall": pytest.approx(1 / 3),
    }  # fmt: skip
    assert arguments[UNKNOWN_ARGUMENT]["extra"] == 1
    assert {row["case"]: row["why"] for row in report.failures} == {
        "2": "wrong value: room; extra argument: colour",
        "3": "wrong tool: light_on instead of light_off",
        "4": "called when none fits: dance",
        "5": report.failures[3]["why"],
    }
    assert report.failures[3]["why"].startswith("unparseable: ")


def test_an_answer_that_never_came_is_wrong_even_where_silence_is_right() -> None:
    case = HeldOut(id="1", messages=(), calls=())
    other = HeldOut(id="2", messages=(), calls=())
    lost = Scripted("student", {"1": Answered("", error="timed out"), "2": "No tool fits."})
    report, _ = evaluate([case, other], TOOLS, [lost], SPEC)
    assert report.candidates[0].unanswered == 1
    assert report.candidates[0].metrics[EXACT].value == 0.5
    with pytest.raises(RuntimeError, match="student gave no answer to any of 1 cases: timed out"):
        evaluate([case], TOOLS, [lost], SPEC)


def test_what_cannot_be_evaluated_says_why() -> None:
    cases = held_out(2)
    one = scripted("one", cases, 1.0)
    with pytest.raises(ValueError, match="no case"):
        evaluate([], TOOLS, [one], SPEC)
    with pytest.raises(ValueError, match="names of their own"):
        evaluate(cases, TOOLS, [one, one], SPEC)
    with pytest.raises(ValueError, match="'two'"):
        evaluate(cases, TOOLS, [one], SPEC, student="two")


def test_equal_runs_give_equal_reports_whatever_they_took() -> None:
    cases = held_out()
    first = evaluate(cases, TOOLS, [scripted("student", cases, 0.8), LookupCandidate(cases)], SPEC)
    second = evaluate(cases, TOOLS, [scripted("student", cases, 0.8), LookupCandidate(cases)], SPEC)
    assert first == second
    assert "latency_ms" not in first[1][0]


def test_the_progress_covers_all_candidates() -> None:
    cases = held_out(4)
    seen: list[tuple[int, int, str]] = []
    candidates = [scripted("one", cases, 1.0), scripted("two", cases, 1.0)]
    evaluate(cases, TOOLS, candidates, SPEC, lambda *call: seen.append(call))
    assert seen == [(4, 8, "one"), (8, 8, "two")]


def test_one_model_as_json() -> None:
    cases = held_out()
    found = evaluate_model(cases, TOOLS, scripted("file.gguf", cases, 0.8), SPEC)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["model"], found["n"], found["bytes"]) == ("scripted@1", 40, 5)
    for name in METRICS:
        assert set(found[name]) == {"value", "low", "high"}
    assert found["latency_ms"] == {"p50": 10.0, "p95": 10.0}
    assert {"request", "expected", "got", "answer", "why"} <= set(found["failures"][0])


HOSTILE = [
    XSS,
    "<tool_call>" + XSS,
    '{"name": "<b>bold</b>", "arguments": {"room": "\\ud800", "</td><script>": NaN}}',
    '{"name": "light_on", "arguments": {"room": ' + "[" * 200 + "]" * 200 + "}}",
    '[{"name": "light_on", "arguments": {}}, {"name": "javascript:alert(1)"}]',
    "x" * 100_000,
]


@pytest.mark.parametrize("answer", HOSTILE)
def test_hostile_text_stays_text(answer: str) -> None:
    case = HeldOut(id=XSS, messages=(Message(role="user", content=XSS),), calls=(call("light_on", room=XSS),))
    rival = Scripted(BASE, {XSS: render_calls(case.calls)})
    report, answers = evaluate(
        [case], TOOLS, [Scripted("student", {XSS: answer}), rival], SPEC, test_labels=XSS
    )
    json.loads(report.model_dump_json())
    json.dumps(answers, allow_nan=False).encode()
    report = report.model_copy(update={"command": XSS})
    page = report_html(report, XSS)
    page.encode()
    tags = {tag.lower() for tag in re.findall(r"<\s*([a-zA-Z]+)", page)}
    assert not tags & {"script", "b", "iframe", "object"}
    assert not re.findall(r"<img[^>]*>", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert len(page) < 400_000
    assert "<script" not in report_markdown(report)


def test_the_page_needs_nothing_else() -> None:
    cases = held_out()
    report, _ = evaluate(
        cases,
        TOOLS,
        [scripted("student Q8_0", cases, 0.8), scripted(BASE, cases, 0.2)],
        SPEC,
        measured={"Versions": "distil_dag 0.1.0"},
    )
    report = report.model_copy(update={"command": "distil-dag eval test.jsonl --model model.gguf"})
    page = report_html(report, "smart_home.first")
    assert not re.findall(r"https?://|<link|<script|url\(", page)
    # A bar for each candidate and each tool that was expected, and one for the difference.
    tools = [row for row in report.candidates[0].per_tool.values() if row["n"]]
    assert page.count('<svg class="track"') == 2 + len(tools) + 1
    for words in (
        "smart_home.first",
        "Versions",
        "distil_dag 0.1.0",
        "distil-dag eval test.jsonl",
        verdict(report),
    ):
        assert words in page
    assert page.count('class="request"') == len(report.failures)


def test_the_markdown_holds_a_row_for_each_candidate_and_comparison() -> None:
    cases = held_out()
    candidates = [scripted("student Q8_0", cases, 0.8), scripted("a|b", cases, 0.2)]
    text = report_markdown(evaluate(cases, TOOLS, candidates, SPEC)[0])
    assert text.count("\n| ") == 5
    assert "a\\|b" in text

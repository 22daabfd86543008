"""The student in several runtimes, held against its checkpoint case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Case, Message
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.evidence import RuntimeReport
from distil_dag.core.settings import EvaluationSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.evaluating.candidate import BASE, CHECKPOINT
from distil_dag.stages.evaluating.evaluate import evaluate
from distil_dag.stages.ports import Progress, quiet
from distil_dag.stages.reporting.html import report_html
from distil_dag.stages.reporting.markdown import report_markdown

TOOLS = Toolset.from_openai(
    [
        {
            "name": "light_on",
            "parameters": {
                "type": "object",
                "properties": {"room": {"type": "string"}, "level": {"type": "integer", "default": 100}},
            },
        }
    ]
)
HALL = '<tool_call>{"name":"light_on","arguments":{"room":"hall"}}</tool_call>'
PROMPT = tuple(range(30))


class Form:
    """A form of the student with these answers; the test has a case for each."""

    model = "weights@1"
    bytes = 5

    def __init__(self, name: str, *answers: Answered, software: str = "engine 1.0") -> None:
        self.name, self.answers, self.software = name, list(answers), software

    def answer(self, cases: Any, progress: Progress = quiet) -> list[Answered | None]:
        return [*self.answers]


def said(text: str = HALL, **changes: Any) -> Answered:
    return replace(Answered(text, asked=PROMPT), **changes)


def held(*forms: Form) -> EvalReport:
    calls = parse_answer(HALL).calls
    cases = [
        Case(id=f"c{n}", messages=(Message(role="user", content=f"<b>light {n}</b>"),), calls=calls)
        for n in range(len(forms[0].answers))
    ]
    return evaluate(cases, TOOLS, forms, EvaluationSpec(bootstrap=50))[0]


def rows(*forms: Form) -> dict[str, RuntimeReport]:
    return {row.candidate: row for row in held(*forms).runtimes}


def test_each_form_of_the_student_has_a_row_and_the_checkpoint_is_the_first() -> None:
    forms = [Form(name, said(), said()) for name in ("student Q8_0", CHECKPOINT, BASE)]
    report = held(*forms)
    assert [row.candidate for row in report.runtimes] == [CHECKPOINT, "student Q8_0"]
    assert report.runtimes[1].software == "engine 1.0"
    assert not held(*forms[:1]).runtimes


def test_answers_are_equal_in_calls_or_to_the_letter() -> None:
    spelled = HALL.replace('"hall"', '"hall","level":100')
    broken = "<tool_call>{"
    checkpoint = Form(CHECKPOINT, said(), said(), said(broken), said("No tool fits."), said())
    file = Form("student f16", said(), said(spelled), said(broken), said("Sorry."), said("", error="cut off"))
    row = rows(checkpoint, file)["student f16"]
    assert (row.n, row.same_calls.value, row.same_text.value) == (5, 0.8, 0.4)
    assert row.same_calls.low < 0.8 < row.same_calls.high
    assert row.exact.value == 0.4
    assert row.difference.value == -0.2
    assert row.difference.low < -0.2 < row.difference.high


def test_a_prompt_that_is_read_otherwise_is_counted_and_shown() -> None:
    other = (*PROMPT[:20], 777, *PROMPT[21:])
    checkpoint = Form(CHECKPOINT, said(), said(), said())
    vllm = Form("student vLLM", said(rendered=PROMPT), said(rendered=other), said(asked=PROMPT[:-1]))
    row = rows(checkpoint, vllm)["student vLLM"]
    assert (row.prompts, row.same_prompts) == (3, 1)
    assert row.other_prompt
    assert (row.other_prompt.case, row.other_prompt.start) == ("c1", 16)
    assert row.other_prompt.reference == list(range(16, 30))
    assert row.other_prompt.runtime == [16, 17, 18, 19, 777, *range(21, 30)]


def test_ids_that_nobody_knows_are_no_proof() -> None:
    unknown, refused = said(asked=None), said(rendered=())
    row = rows(Form(CHECKPOINT, said(), said(), unknown), Form("student f16", unknown, refused, said()))
    assert (row["student f16"].prompts, row["student f16"].same_prompts) == (2, 0)
    assert row[CHECKPOINT].same_prompts == 2


def test_a_prompt_that_goes_on_where_the_other_ends_differs_there() -> None:
    row = rows(Form(CHECKPOINT, said()), Form("student f16", said(asked=(*PROMPT, 2))))["student f16"]
    assert row.other_prompt
    assert (row.other_prompt.reference, row.other_prompt.runtime) == ([26, 27, 28, 29], [26, 27, 28, 29, 2])


def test_page_and_markdown_show_the_table_and_what_differs() -> None:
    timed = said(latency_ms=12.0, rendered=(*PROMPT[:20], 777))
    report = held(Form(CHECKPOINT, said()), Form("student vLLM", timed, software="vllm <0.32>"))
    page, text = report_html(report, "home.first"), report_markdown(report)
    for shown in (page, text):
        assert "1 of 1" in shown
        assert "0 of 1" in shown
        assert "16 17 18 19 777" in shown
        assert "vllm &lt;0.32" in shown
        assert "<b>" not in shown
    assert "Does every runtime say the same?" in page
    assert "&lt;b&gt;light 0&lt;/b&gt;" in page
    assert EvalReport.model_validate_json(report.model_dump_json()) == report

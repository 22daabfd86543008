"""Files of cases: what is read, and what is said about the rest."""

import json

from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.reading.case_files import read_cases

TOOLS = Toolset([Tool(name="on", parameters={"type": "object", "properties": {"room": {"type": "string"}}})])
ON = {"role": "assistant", "tool_calls": [{"function": {"name": "on", "arguments": '{"room": "hall"}'}}]}


def test_rows_of_any_format_and_no_call():
    rows = [
        {"messages": [{"role": "user", "content": "hall on"}, ON]},
        {"id": "q", "question": "hall on", "answer": '{"name": "on", "parameters": {"room": "hall"}}'},
        {"id": 7, "question": "tell a joke", "answer": "[]"},
        {"messages": [{"role": "user", "content": "joke"}, {"role": "assistant", "tool_calls": []}]},
    ]  # fmt: skip
    lines = ["", *map(json.dumps, rows), "  \n"]
    cases, problems = read_cases(lines, TOOLS, "test")
    assert problems == []
    assert [case.id for case in cases] == ["test-2", "q", "7", "test-5"]
    call = ToolCall(name="on", arguments={"room": "hall"})
    assert [case.calls for case in cases] == [(call,), (call,), (), ()]


def test_every_mistake_is_said_with_its_line_and_nothing_else_is_lost():
    good = json.dumps({"question": "hall on", "answer": {"name": "on", "arguments": {}}})
    lines = [
        good,
        "{broken",
        '["a list"]',
        json.dumps({"question": "x", "answer": {"name": "off", "arguments": {}}}),
        json.dumps({"question": "x", "answer": {"name": "on", "arguments": {"room": 5}}}),
        json.dumps({"text": "x"}),
        json.dumps({"id": "a", "question": "x", "answer": "no"}),
        json.dumps({"id": "a", "question": "y", "answer": "no"}),
        json.dumps({"id": {}, "question": "y", "answer": "no"}),
        json.dumps({"messages": [{"role": "user", "content": "x"}]}),
        b"\xff\xfe",
        good,
    ]
    cases, problems = read_cases(lines, TOOLS)
    assert [case.id for case in cases] == ["case-1", "a", "case-12"]
    assert [problem.line for problem in problems] == [2, 3, 4, 5, 6, 8, 9, 10, 11]
    said = dict(problems)
    assert "broken JSON" in said[2]
    assert "unknown tool 'off'" in said[4]
    assert "5 is not of type 'string'" in said[5]
    assert "already used in line 7" in said[8]
    assert "no assistant turn" in said[10]


def test_without_tools_only_the_form_is_checked():
    cases, problems = read_cases(['{"question": "x", "answer": {"name": "any", "arguments": {}}}'], None)
    assert (len(cases), problems) == (1, [])


def test_personal_data_reads_back_as_it_was_written():
    """A test that was drawn from a log is written with its placeholders."""
    schema = {"type": "object", "properties": {"phone": {"type": "integer"}}}
    tools = Toolset([Tool(name="dial", parameters=schema)])
    rows = [
        {
            "question": f"dial phone number {phone}",
            "answer": {"name": "dial", "arguments": {"phone": value}},
        }
        for phone, value in ((12345678, 12345678), ("<PHONE_1>", "<PHONE_1>"))
    ]
    cases, problems = read_cases(map(json.dumps, rows), tools)
    assert problems == []
    assert cases[0].messages == cases[1].messages
    assert [case.calls[0].arguments for case in cases] == [{"phone": "<PHONE_1>"}] * 2


def test_a_document_of_cases_is_read_and_its_mistakes_are_said_with_their_lines():
    rows = [
        {"question": "hall on", "answer": {"name": "on", "arguments": {"room": "hall"}}},
        {"question": "x", "answer": {"name": "off", "arguments": {}}},
        {"question": "tell a joke", "answer": "[]"},
    ]
    for document in (rows, {"data": rows}):
        text = json.dumps(document, indent=1)
        cases, problems = read_cases(text.split("\n"), TOOLS)
        assert [case.request for case in cases] == ["hall on", "tell a joke"]
        ((line, said),) = problems
        assert "unknown tool 'off'" in said
        assert text.split("\n")[line].strip() == '"question": "x",'
    cases, problems = read_cases([json.dumps(rows[:1] + rows[2:])], TOOLS)
    assert ([case.id for case in cases], problems) == (["case-1", "case-1-2"], [])
    cases, problems = read_cases(['[{"question": "a", "answer": "no"},\n', '{"question": \n', "]"], TOOLS)
    assert (len(cases), [problem.line for problem in problems]) == (1, [2])

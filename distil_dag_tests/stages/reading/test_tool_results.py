"""Results belong to their calls, and two histories that differ give two prompts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distil_dag.core.case import Trace
from distil_dag.core.toolset import Toolset
from distil_dag.runs.evaluation_plan import cases_as_jsonl
from distil_dag.stages.reading.case_files import read_cases
from distil_dag.stages.reading.records import ReadRecord, RecordReader
from distil_dag.stages.student.prompt import CLOSED_BOOK_TEMPLATE, render_prompt

TOOLS = Toolset.from_openai([{"name": name} for name in ("find", "read", "done")])
USER = {"role": "user", "content": "how wet are the beds"}
DONE = {"role": "assistant", "tool_calls": [{"function": {"name": "done"}}]}


def asks(*names_and_ids: tuple[str, str]) -> dict[str, Any]:
    calls = [{"id": id, "function": {"name": name, "arguments": "{}"}} for name, id in names_and_ids]
    return {"role": "assistant", "tool_calls": calls}


def result(content: Any, id: str | None = None, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "content": content} | ({"tool_call_id": id} if id else {}) | more


def read(*turns: dict[str, Any]) -> ReadRecord:
    request = {"messages": [USER, *turns]}
    reading = RecordReader(TOOLS).read({"request": request, "response": {"message": DONE}}, "1")
    assert reading.problem is None
    return reading


def trace(*turns: dict[str, Any]) -> Trace:
    (found,) = read(*turns).traces
    return found


def prompt(*turns: dict[str, Any]) -> str:
    return render_prompt(CLOSED_BOOK_TEMPLATE, trace(*turns).messages)


BOTH = asks(("find", "a"), ("read", "b"))


def test_results_with_ids_stand_in_the_order_of_their_calls() -> None:
    swapped = trace(BOTH, result("wet", "b"), result("dry", "a"))
    assert [m.content for m in swapped.messages[2:]] == ["dry", "wet"]
    assert swapped == trace(BOTH, result("dry", "a"), result("wet", "b"))
    assert swapped == trace(BOTH, result("dry"), result("wet"))
    assert "[result" not in prompt(BOTH, result("wet", "b"), result("dry", "a"))


TWINS = asks(("find", "a"), ("find", "a"))
HISTORIES: list[tuple[dict[str, Any], ...]] = [
    (BOTH, result("wet", "b")),
    (BOTH, result("wet", "a")),
    (BOTH, result("[result of call 2: read]\nwet", "a")),
    (BOTH, result("dry", "a"), result("wet", "b")),
    (BOTH, result("dry", "b"), result("wet", "a")),
    (BOTH, result("dry", "a"), result("wet", "a")),
    (BOTH, result("dry", "b"), result("wet", "b")),
    (BOTH, result("dry", "a"), result("wet", "a"), result("cold", "b")),
    (BOTH, result("dry", "a"), result("wet", "b"), result("cold", "b")),
    (BOTH, result("dry", "a"), DONE, result("wet", "b")),
    (BOTH, result("dry", "a"), DONE, result("wet")),
    (TWINS, result("dry", "a"), result("wet", "a")),
    (TWINS, result("wet", "a"), result("dry", "a")),
    (BOTH, result(["dry", "wet"], "a")),
    (BOTH, result("dry\nwet", "a")),
    (BOTH, {"role": "user", "content": "<tool_response>\nwet\n</tool_response>"}),
]


def test_histories_that_differ_give_prompts_that_differ() -> None:
    assert len({prompt(*turns) for turns in HISTORIES}) == len(HISTORIES)
    assert "\n[result of call 2: read]\nwet\n" in prompt(*HISTORIES[0])


@pytest.mark.parametrize("turns", HISTORIES)
def test_a_case_that_is_written_out_reads_back_as_it_was(turns: tuple[dict[str, Any], ...]) -> None:
    case = trace(*turns)
    (again,), problems = read_cases(cases_as_jsonl([case]).splitlines(), TOOLS)
    assert (again.messages, problems) == (case.messages, [])
    assert Trace.from_row(case.row()) == case


def test_results_that_only_their_order_assigns_are_counted() -> None:
    assert read(BOTH, result("wet"), result("dry")).by_order == 1
    assert read(BOTH, result("wet", "b"), result("dry", "a")).by_order == 0
    assert read(TWINS, result("wet", "a"), result("dry", "a")).by_order == 2
    assert read(asks(("find", "")), result("wet")).by_order == 0
    named = read(BOTH, result("wet", name="read"), result("dry", name="find"))
    assert named.by_order == 0
    assert named.traces == read(BOTH, result("dry", "a"), result("wet", "b")).traces


@pytest.mark.parametrize("value", [{"wet": True}, [{"bed": "rose"}], ["rose"], 7, [], {"type": "text"}])
def test_a_result_that_is_no_text_is_kept_as_json(value: Any) -> None:
    content = trace(BOTH, result(value, "a")).messages[2].content
    assert json.loads(content) == value
    assert ": " not in content


def test_results_among_the_parts_of_one_message_are_results_of_their_own() -> None:
    block = {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "wet"}]}
    other = {"type": "tool_result", "tool_use_id": "a", "content": {"bed": "rose"}}
    said = {"type": "text", "text": "Which is wetter?"}
    found = trace(BOTH, {"role": "user", "content": [block, other, said]}).messages[2:]
    assert [(m.role, m.content) for m in found] == [
        ("tool", '{"bed":"rose"}'),
        ("tool", "wet"),
        ("user", "Which is wetter?"),
    ]


_RESULTS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("wet", "dry"))), max_size=4)


@given(left=_RESULTS, right=_RESULTS, ids=st.booleans(), shuffle=st.randoms())
@settings(max_examples=150, deadline=None)
def test_prompts_are_equal_where_each_call_has_the_same_results(
    left: list[tuple[str, str]], right: list[tuple[str, str]], ids: bool, shuffle: Any
) -> None:
    asked = asks(("find", "a"), ("read", "b"), ("find", "c"))

    def shown(results: list[tuple[str, str]]) -> str:
        return prompt(asked, *(result(content, id if ids else None) for id, content in results))

    same = sorted(left) == sorted(right) if ids else [c for _, c in left] == [c for _, c in right]
    of_one = len({id for id, _ in left}) < len(left) or len({id for id, _ in right}) < len(right)
    if not ids or not of_one:
        assert (shown(left) == shown(right)) == same
    elif not same:
        assert shown(left) != shown(right)
    if ids and not of_one:
        again = list(left)
        shuffle.shuffle(again)
        assert shown(again) == shown(left)

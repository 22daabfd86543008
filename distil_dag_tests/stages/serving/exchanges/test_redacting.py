"""What is redacted before it is written, and that it reads as what is redacted when it is read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.records import RecordReader
from distil_dag.stages.serving.exchange import Exchange
from distil_dag.stages.serving.exchanges.redacting import redacted
from distil_dag.stages.serving.exchanges.rows import exchange_of, line_of, row_of
from distil_dag_tests.stages.serving.some_exchanges import TOOL, answer, audited, exchange

TOOLSET = Toolset.from_openai([TOOL])


def read(one: Exchange) -> Any:
    row = json.loads(line_of(row_of(one)))
    return RecordReader(TOOLSET).read(row, row["id"])


@pytest.mark.parametrize(
    "one",
    [
        exchange(said="Mail anna@example.com and bob@example.com.", response=answer(who="bob@example.com")),
        exchange(said="Ring +49 151 12345678.", response=answer(who="4915112345678")),
        exchange(said="Ring my phone 0151 12345678", response=answer(n=15112345678)),
        exchange(
            said="Write to Bob.",
            request={
                "user": "first@example.com",
                "metadata": {"id": "second@example.com"},
                "messages": [
                    {"role": "system", "content": "Anna is anna@example.com."},
                    {"role": "user", "content": [{"type": "text", "text": "Who is anna@example.com?"}]},
                ],
                "tools": [TOOL],
            },
            response=answer(who="bob@example.com"),
        ),
        audited(
            1,
            said="Switch it for anna@example.com.",
            response=answer(who="carl@example.com"),
            other=answer(who="bob@example.com"),
        ),
    ],
    ids=["mail", "phone", "number", "bodies", "audit"],
)
def test_redacted_first_or_later_the_traces_are_the_same(one: Exchange) -> None:
    """The student's answer of an audit is read by nobody: it comes last where placeholders are numbered."""
    cleaned = redacted(one)
    text = line_of(row_of(cleaned))
    assert "example.com" not in text
    assert "15112345678" not in text.replace(" ", "")
    first, later = read(cleaned), read(one)
    assert later.redacted
    assert first.traces == later.traces
    assert first.problem is later.problem is None
    assert cleaned.request["tools"] == one.request["tools"]


def test_a_call_stays_one_where_a_number_is_replaced() -> None:
    one = redacted(exchange(said="My phone is 0151 12345678", response=answer(n=15112345678)))
    (call,) = one.response["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"n": "<PHONE_1>"}


@pytest.mark.parametrize("form", ["phone", "uuid"])
def test_what_digits_are_is_told_by_the_tools_of_the_request_itself(form: str) -> None:
    """A student put in another's place may have other tools, and a request may bring any."""
    parameters = {"type": "object", "properties": {"n": {"type": "string", "format": form}}}
    tool = {"type": "function", "function": {"name": "ask", "parameters": parameters}}
    one = exchange(said="What about 23456789?", response=answer("ask", n="23456789"))
    found = redacted(replace(one, request={**one.request, "tools": [tool]}))
    assert ("23456789" in json.dumps(found.response)) is (form != "phone")


def test_what_holds_nothing_personal_stays_as_it_is() -> None:
    one = exchange()
    assert redacted(one) is one


def test_what_can_not_be_followed_is_not_kept() -> None:
    said = " ".join(f"u{n}@example.com" for n in range(400))
    cleaned = redacted(exchange(said=said, conversation="a@example.com"))
    assert "example.com" not in line_of(row_of(cleaned))
    assert cleaned.cost == 0.5
    problem = read(cleaned).problem
    assert problem is not None
    assert problem.reason == "content is not kept"


@pytest.mark.parametrize("nested", [True, False], ids=["line", "row"])
def test_a_row_holds_the_whole_exchange(nested: bool) -> None:
    one = audited(7, conversation="c1", said="naïve \U0001f600 \0 text")
    row = row_of(one)
    assert exchange_of(json.loads(line_of(row)) if nested else row) == one
    assert row["time"] == "2026-11-01T10:07:00.000000+00:00"


def test_half_a_surrogate_pair_can_be_written() -> None:
    one = exchange(said="half \ud83d", conversation="c\ud83d\x00")
    row = row_of(one)
    line_of(row).encode()
    assert exchange_of(row) == replace(one, conversation="c?\N{REPLACEMENT CHARACTER}")


def test_what_is_no_exchange_is_said() -> None:
    with pytest.raises(ValueError, match="holds no exchange"):
        exchange_of({"id": "x", "time": "2026-11-01T10:00:00"})
    with pytest.raises(TypeError, match="set"):
        row_of(exchange(request={"messages": {1, 2}}))

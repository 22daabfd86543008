"""Records in the shape of public reports: what they call is read, or they are set aside by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.case_files import read_cases
from distil_dag.stages.reading.records import ReadRecord, RecordReader

CASES = Path(__file__).parents[2] / "public_cases"
TOOLS = Toolset.from_openai(json.loads((CASES / "tools.json").read_text())["tools"])
WATER = ToolCall(name="water_bed", arguments={"bed": "rose", "minutes": 7})
LIST = ToolCall(name="list_beds")


def cases(number: str) -> Iterator[Any]:
    (path,) = CASES.glob(f"{number}-*.jsonl")
    for line in path.read_text().splitlines():
        yield pytest.param(record := json.loads(line), id=record["id"])


def read(record: dict[str, Any]) -> ReadRecord:
    return RecordReader(TOOLS).read(record, record["id"])


def calls_of(record: dict[str, Any]) -> tuple[ToolCall, ...]:
    reading = read(record)
    assert reading.problem is None
    (trace,) = reading.traces
    assert trace.problems == ()
    return trace.calls


@pytest.mark.parametrize("record", cases("01"))
def test_a_call_that_is_spelled_in_content_is_read(record: dict[str, Any]) -> None:
    expected = () if record["id"].startswith("control-") else (WATER,)
    assert calls_of(record) == expected
    text = record["response"]["choices"][0]["message"]["content"]
    assert parse_answer(text, TOOLS).calls == expected
    answered = {"question": "Water the rose bed for 7 minutes", "answer": text, "id": "a"}
    assert calls_of(answered) == expected
    (case,), problems = read_cases([json.dumps(answered)], TOOLS)
    assert (case.calls, problems) == (expected, [])
    turns = [*record["request"]["messages"], record["response"]["choices"][0]["message"]]
    later = {"role": "user", "content": "thanks"}, {"role": "assistant", "content": "Welcome."}
    first, last = read({"id": "c", "messages": [*turns, *later]}).traces
    assert (first.calls, last.messages[1].tool_calls) == (expected, expected)


@pytest.mark.parametrize("record", cases("02"))
def test_arguments_under_other_names_are_kept_or_the_call_is_refused(record: dict[str, Any]) -> None:
    if record["id"] == "beside-the-name":
        reading = read(record)
        assert reading.traces == ()
        assert "bed, minutes" in str(reading.problem)
        _, ((line, said),) = read_cases(["", json.dumps(record)], TOOLS)
        assert line == 2
        assert "bed, minutes" in said
        return
    none = record["id"].startswith("control-") and record["id"] != "control-parameters"
    assert calls_of(record) == ((LIST,) if none else (WATER,))
    assert read_cases([json.dumps(record)], TOOLS)[1] == []


CUT = {
    "cut-words": "cut answer",
    "cut-before-a-word": "cut answer",
    "cut-after-first-of-two-calls": "cut answer",
    "cut-before-arguments": "cut answer",
    "filtered": "filtered answer",
    "said-max_tokens": "cut answer",
}


@pytest.mark.parametrize("record", cases("04"))
def test_half_an_answer_is_no_label(record: dict[str, Any]) -> None:
    if record["id"] not in CUT:
        assert calls_of(record) == ((WATER,) if "call" in record["id"] else ())
        return
    reading = read(record)
    assert reading.traces == ()
    assert str(reading.problem).startswith(CUT[record["id"]])


LOST = {"second-choice", "finish-says-call"}


@pytest.mark.parametrize("record", cases("05"))
def test_calls_in_other_fields_are_read(record: dict[str, Any]) -> None:
    if record["id"] in LOST:
        reading = read(record)
        assert reading.traces == ()
        assert str(reading.problem).startswith("a call that was not logged")
        return
    assert calls_of(record) == (() if record["id"] == "control-no-call" else (WATER,))


def answered(message: dict[str, Any], **choice: Any) -> dict[str, Any]:
    request = {"messages": [{"role": "user", "content": "Water the rose bed for 7 minutes"}]}
    choices = [{"index": 0, "message": {"role": "assistant", **message}, **choice}]
    return {"id": "r", "request": request, "response": {"choices": choices}}


CALL = {"name": "water_bed", "input": {"bed": "rose", "minutes": 7}}
GIVEN = {"bed": "rose", "minutes": 7}


@pytest.mark.parametrize(
    "message",
    [
        {"content": [{"type": "text", "text": "On it."}, {"type": "tool_use", "id": "t", **CALL}]},
        {"content": [{"toolUse": {"toolUseId": "t", **CALL}}]},
        {"parts": [{"thought": True, "text": "hm"}, {"functionCall": {"name": "water_bed", "args": GIVEN}}]},
        {"parts": [{"type": "tool-water_bed", "state": "output-available", "input": GIVEN, "output": "ok"}]},
        {"content": "", "additional_kwargs": {"function_call": {"name": "water_bed", "args": GIVEN}}},
        {"content": "hm</think>", "tool_calls": [{"toolName": "water_bed", "args": GIVEN}]},
        {"content": "", "tool_calls": [{"name": "water_bed", "arguments": {}, "parameters": GIVEN}]},
        {"content": json.dumps([{"type": "text", "text": "On it."}, {"type": "tool_use", **CALL}])},
        {"tool_calls": [{"function": {"name": "functions.water_bed", "arguments": json.dumps(GIVEN)}}]},
    ],
)  # fmt: skip
def test_neighbours_are_read(message: dict[str, Any]) -> None:
    assert calls_of(answered(message)) == (WATER,)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (answered({"content": "", "invalid_tool_calls": [{"name": "water_bed"}]}), "unreadable call"),
        (answered({"content": "", "reasoning_content": "I call it."}), "thoughts without an answer"),
        (answered({"content": "", "tool_results": [1]}), "an answer in another field: tool_results"),
        (answered({"content": "hm"}, finish_reason="FinishReason.MAX_TOKENS"), "cut answer"),
        (answered({"content": "hm"}, finish_reason="SAFETY"), "filtered answer"),
        (answered({"content": ""}, finish_reason="malformed_function_call"), "failed answer"),
        (answered({"content": "hm", "response_metadata": {"finish_reason": "length"}}), "cut answer"),
        (answered({"content": "hm", "stop_reason": "tool_use"}), "a call that was not logged"),
        (answered({"content": "[TOOL_CALLS]water_bed[ARGS]{"}), "unreadable call (Mistral)"),
        (answered({"content": "<call name='water_bed'>"}), "a call in a form that is not read"),
        (
            answered({"tool_calls": [{"name": "water_bed", "when": "now"}]}),
            "unreadable call: 'water_bed' holds",
        ),
        ({"id": "q", "question": "x", "answer": "hm", "finish_reason": "length"}, "cut answer"),
        ({"id": "q", "question": "x", "answer": '{"watering": true}'}, "unreadable call"),
    ],
)
def test_neighbours_are_set_aside_by_name(record: dict[str, Any], reason: str) -> None:
    reading = read(record)
    assert reading.traces == ()
    assert str(reading.problem).startswith(reason)


@pytest.mark.parametrize(
    "field",
    [
        {"tool_call": CALL},
        {"functionCall": {"name": "water_bed", "args": GIVEN}},
        {"toolExecutionRequests": [{"name": "water_bed", "arguments": "{}"}]},
        {"items": [{"$type": "FunctionCallContent", "name": "water_bed", "arguments": GIVEN}]},
        {"metadata": {"raw": {"steps": [{"tool": "water_bed", "tool_input": GIVEN}]}}},
        {
            "provider_specific_fields": {
                "tool_calls": [{"function": {"name": "water_bed", "arguments": "{}"}}]
            }
        },
    ],
)
def test_words_beside_a_call_that_is_not_read_are_no_answer(field: dict[str, Any]) -> None:
    reading = read(answered({"content": "On it.", **field}))
    assert reading.traces == ()
    assert str(reading.problem).startswith(f"an answer in another field: {next(iter(field))}")


@pytest.mark.parametrize(
    "record",
    [
        answered({"content": "On it."}, tool_calls=[CALL]),
        answered({"content": "On it."}) | {"tool_calls": json.dumps([CALL])},
        {"question": "Water it", "answer": "On it.", "function_call": CALL},
        {"messages": [{"role": "user", "content": "Water it"}, {"role": "assistant", "content": "On it."}],
         "tool_calls": [CALL]},
    ],
)  # fmt: skip
def test_words_beside_calls_of_the_record_are_no_answer(record: dict[str, Any]) -> None:
    reading = read({"id": "r", **record})
    assert reading.traces == ()
    assert str(reading.problem).startswith("an answer in another field")


@pytest.mark.parametrize(
    "field",
    [
        {"tools": [{"name": "water_bed", "description": "", "parameters": {}}]},
        {"metadata": {"tool": "water_bed", "tokens": {"input": 3}}},
        {"usage": {"tool_calls": 0}, "tool_calls": [], "function_call": None},
    ],
)
def test_words_beside_what_is_no_call_are_an_answer(field: dict[str, Any]) -> None:
    assert calls_of(answered({"content": "It rains.", **field}, finish_reason="eos_token")) == ()


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("maxTokens", "cut answer"), ("max_tokens_reached", "cut answer"), ("context_length", "cut answer"),
        ("interrupted", "cut answer"), ("user_cancelled", "failed answer"),
        ("TOO_MANY_TOOL_CALLS", "failed answer"), ("LANGUAGE", "filtered answer"),
        ("ERROR_TOXIC", "filtered answer"), ("contentFilter", "filtered answer"),
        ("policy_violation", "filtered answer"), ("toolUse", "a call that was not logged"),
    ],
)  # fmt: skip
def test_an_ending_counts_by_whatever_name(ending: str, reason: str) -> None:
    asked = {"role": "user", "content": "x"}
    for record in (
        answered({"content": "hm"}, finish_reason=ending),
        answered({"content": "hm"}, finish_reason="stop", native_finish_reason=ending),
        {"messages": [asked, {"role": "assistant", "content": "hm"}], "metadata": {"stopReason": ending}},
    ):
        assert str(read({"id": "r", **record}).problem).startswith(reason)


def test_numbered_endings_and_parts_of_a_stream_are_no_labels() -> None:
    words = {"content": {"role": "model", "parts": [{"text": "hm"}]}}
    asked = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    for number, reason in ((2, "cut answer"), (3, "filtered answer"), (9, "failed answer")):
        record = {"request": asked, "response": {"candidates": [{**words, "finish_reason": number}]}}
        assert str(read({"id": "r", **record}).problem).startswith(reason)
    part = {"message": {"role": "assistant", "content": "hm"}, "done": False}
    record = {**answered({}), "response": part}
    assert str(read(record).problem).startswith("cut answer: done is false")


def test_choices_that_agree_are_one_answer_and_others_are_set_aside() -> None:
    record = answered({"content": None, "tool_calls": [CALL]})
    (first,) = record["response"]["choices"]
    record["response"]["choices"] = [first, {**first, "index": 1}]
    assert calls_of(record) == (WATER,)
    record["response"]["choices"][1] = {"index": 1, "message": {"role": "assistant", "content": "It rains."}}
    assert str(read(record).problem).startswith("several choices")


def test_calls_that_fill_all_the_room_are_cut() -> None:
    record = answered({"content": None, "tool_calls": [CALL]}, finish_reason="tool_calls")
    record["request"]["max_tokens"] = 16
    record["response"]["usage"] = {"completion_tokens": 16}
    without_ending = {"message": {"role": "assistant", "content": "It ra"}}
    words = {**record, "response": {**record["response"], "choices": [without_ending]}}
    assert str(read(words).problem).startswith("cut answer")
    assert str(read(record).problem).startswith("cut answer")

"""What stands beside an answer: tokens, money, and what people said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from distil_dag.core.feedback import Feedback
from distil_dag.stages.reading.evidence.beside import evidence_of
from distil_dag.stages.reading.evidence.scores import feedback_of
from distil_dag_tests.stages.reading.recorders.samples import SAMPLES, read_log, sample

# Recorders that keep the tokens of each answer that was not streamed.
COUNTED = sorted(path.name for path in SAMPLES.glob("*.jsonl") if path.name != "index.jsonl")


@pytest.mark.parametrize("name", COUNTED)
def test_each_recorder_s_tokens_are_read(name: str) -> None:
    log = read_log(*map(json.loads, (SAMPLES / name).read_text().splitlines()))
    counted = {(trace.input_tokens, trace.output_tokens) for trace in log.traces}
    assert (50, 12) in counted
    # openlit counts the words of a streamed answer itself.
    assert counted <= {(50, 12), (None, None), (41, 0)}


@pytest.mark.parametrize("name", ["litellm.jsonl", "mlflow.jsonl", "pydantic-ai.jsonl"])
def test_what_an_answer_cost_is_read(name: str) -> None:
    log = read_log(*map(json.loads, (SAMPLES / name).read_text().splitlines()))
    assert any(trace.cost == pytest.approx(1.47e-5) for trace in log.traces)


def row(**more: Any) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "set_light", "arguments": '{"room": "hall"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {
        "request": {"messages": [{"role": "user", "content": "light in the hall"}]},
        "response": {"choices": [{"message": message}]},
        **more,
    }


def test_a_log_of_one_s_own_has_them_in_columns_or_in_the_response() -> None:
    in_response = row()
    in_response["response"]["usage"] = {"prompt_tokens": 7, "completion_tokens": 3}
    log = read_log(in_response, row(input_tokens=5, output_tokens="2", cost=0.25, thumbs="down"), row())
    assert [(one.input_tokens, one.output_tokens, one.cost) for one in log.traces] == [
        (7, 3, None),
        (5, 2, 0.25),
        (None, None, None),
    ]
    assert [one.feedback for one in log.traces] == [(), (Feedback(name="thumbs", value="down"),), ()]


@pytest.mark.parametrize(
    "record",
    [
        {"calculatedTotalCost": 0.5, "usageDetails": {"input": 5, "output": 2, "total": 7}},
        {"costDetails": {"input": 0.3, "total": 0.5}, "promptTokens": 5, "completionTokens": 2},
        {"total_cost": 0.5, "prompt_tokens": 5, "completion_tokens": 2},
        {"metrics": {"prompt_tokens": 5, "completion_tokens": 2, "estimated_cost": 0.5}},
        {"spend": 0.5, "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        {
            "attributes": {"llm": {"token_count": {"prompt": 5, "completion": 2}, "cost": {"total": 0.5}}},
            "span_id": "a1",
        },
        {
            "attributes": {
                "gen_ai.usage.input_tokens": 5,
                "gen_ai.usage.output_tokens": 2,
                "operation.cost": 0.5,
            },
            "span_id": "a1",
        },
        {"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2}, "cost": "0.5"},
    ],
)
def test_each_name_of_tokens_and_cost_is_known(record: dict[str, Any]) -> None:
    assert evidence_of({"trace_id": "t1", **record}).usage == (5, 2, 0.5)


def test_limits_and_prices_of_a_model_are_no_usage() -> None:
    record = {"max_tokens": 9, "model_map_information": {"input_tokens": 9}, "usage": {"max_input_tokens": 9}}
    assert evidence_of({"trace_id": "t1", **record}).usage == (None, None, None)


@pytest.mark.parametrize("value", [True, -1, "many", float("nan"), 10**13, [], {"input": 3}])
def test_what_is_no_number_is_not_counted(value: Any) -> None:
    assert evidence_of({"trace_id": "t1", "usage": {"input_tokens": value}, "cost": value}).usage == (
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("record", "bad"),
    [
        ({"scores": [{"name": "user-feedback", "value": 0, "comment": "call me at 555-0100"}]}, True),
        ({"scores": [{"name": "user-feedback", "value": 1}]}, False),
        ({"feedback_stats": {"user_score": {"n": 1, "avg": 0.0}}}, True),
        ({"scores": {"correctness": 0.2}}, True),
        ({"scores": {"toxicity": 0.0}}, False),
        ({"annotations": [{"name": "user feedback", "result": {"label": "thumbs_down", "score": 0}}]}, True),
        ({"assessments": [{"assessment_name": "is_correct", "feedback": {"value": False}}]}, True),
        ({"feedback": "thumbs_up"}, False),
        ({"feedback": {"rating": 2}}, True),
        ({"rating": 4}, False),
        ({"user_feedback": -1}, True),
        ({"reaction": "\N{THUMBS DOWN SIGN}"}, True),
        ({"thumbs": False}, True),
        ({"feedback": None}, None),
        ({"feedback": "it did not turn on the light in the hall, which is what I wanted"}, None),
        ({"scores": ["x", None, {"name": "user", "value": None}]}, None),
    ],
)
def test_scores_and_thumbs_are_read(record: dict[str, Any], bad: bool | None) -> None:
    found = feedback_of(record)
    assert [one.is_bad for one in found] == ([] if bad is None else [bad])
    assert "555" not in str(found)


def test_the_scores_of_a_trace_count_for_its_answers() -> None:
    trace = sample("mlflow.jsonl", 1)
    assert not any(one.feedback for one in read_log(trace).traces)
    trace["info"]["assessments"] = [{"assessment_name": "user_feedback", "feedback": {"value": False}}]
    (answer,) = read_log(trace).traces
    assert [one.is_bad for one in answer.feedback] == [True]

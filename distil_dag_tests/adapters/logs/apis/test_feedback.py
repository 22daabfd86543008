"""Scores that a service keeps apart from its answers become evidence of the right ones."""

import json

import pytest

from distil_dag.adapters.system.environment import SourceError
from distil_dag_tests.adapters.logs.apis import test_services
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.adapters.logs.apis.test_services import (
    GIVEN,
    GOT,
    Langfuse,
    Langsmith,
    at,
    check,
    iso,
    read,
    task,
)

_environment = test_services._environment


def scores_of(traces):
    return {
        trace.id: [(one.name, one.value, one.is_bad) for one in trace.feedback]
        for trace in traces
        if trace.feedback
    }


def langfuse_score(name, value, data_type, **subject):
    return {
        "id": f"{name}-{subject}", "name": name, "value": value, "dataType": data_type, "source": "API",
        "timestamp": iso(at(9)), "subject": subject,
    }  # fmt: skip


def test_scores_of_langfuse_are_those_of_the_observation_and_of_its_trace():
    langfuse = Langfuse()
    langfuse.observations.append({**Langfuse.observation(5), "traceId": "t4"})
    langfuse.scores = [
        langfuse_score("user-rating", 1, "NUMERIC", kind="observation", id="r0", traceId="t0"),
        langfuse_score("thumbs", False, "BOOLEAN", kind="trace", id="t4"),
        langfuse_score("feedback", "good", "CATEGORICAL", kind="observation", id="r5", traceId="t4"),
        langfuse_score("feedback", "bad", "CATEGORICAL", kind="observation", id="tool", traceId="t4"),
        langfuse_score("output", "Den on.", "CORRECTION", kind="trace", id="t4"),
    ]
    with StandIn(langfuse.answer) as service:
        found = read(task("langfuse", url=service.url))
    check(found, range(6))
    assert scores_of(found) == {
        "r0": [("user-rating", 1, True)],
        "r4": [("thumbs", False, True)],
        "r5": [("feedback", "good", False), ("thumbs", False, True)],
    }


def test_a_langfuse_without_scores_is_read_without_them():
    langfuse = Langfuse(v2=False)
    langfuse.scores = [langfuse_score("thumbs", False, "BOOLEAN", kind="trace", id="t4")]
    with StandIn(langfuse.answer) as service:
        found = read(task("langfuse", url=service.url))
    check(found, range(5))
    assert scores_of(found) == {}


def test_scores_that_a_key_may_not_read_are_told_of():
    langfuse = Langfuse()

    def answer(asked):
        return Answer({}, 403) if "scores" in asked.path else langfuse.answer(asked)

    with StandIn(answer) as service, pytest.raises(SourceError, match="403 .*give them the right to read"):
        read(task("langfuse", url=service.url))


def test_feedback_of_langsmith_is_that_of_the_run_and_of_its_trace():
    langsmith = Langsmith()
    langsmith.runs[0]["feedback_stats"] = {"correctness": {"n": 2, "avg": 0.25, "values": {}}}
    for run in langsmith.runs[3:]:
        run["trace_id"], run["parent_run_id"] = "root", "root"
    of_root = {"run_id": "root", "key": "user_score", "score": 0, "value": None, "comment": "It is dark."}
    # More than a page of them: the last one still counts.
    langsmith.feedback = [{**of_root, "key": "latency", "score": 1.5}] * 150 + [of_root]
    with StandIn(langsmith.answer) as service:
        found = read(task("langsmith", url=service.url, project="lights"))
        assert "feedback_stats" in next(one for one in service.asked if one.method == "POST").body["select"]
        asked = [one.lists["run"] for one in service.asked if one.path == "/feedback"]
    check(found, range(5))
    assert set(map(tuple, asked)) == {("root",)}
    both = [("latency", 1.5, False), ("user_score", 0, True)]
    assert scores_of(found) == {"r0": [("correctness", 0.25, True)], "r3": both, "r4": both}
    assert "dark" not in str(found)


def test_a_phoenix_without_annotations_is_read_without_them():
    """Of spans that nobody has scored it gives none, and of some that it does not know 404."""
    said = {"role": "assistant", "tool_calls": GOT["tool_calls"]}
    attributes = {
        "openinference.span.kind": "LLM",
        "input.value": json.dumps(GIVEN),
        "output.value": json.dumps({"choices": [{"index": 0, "message": said}]}),
    }
    context = {"trace_id": "4967c6edd70bdab14c1c563e84e01c0a", "span_id": "b6897975311c749d"}
    span = {
        "id": "U3Bhbjox", "name": "ChatCompletion", "context": context, "span_kind": "LLM",
        "start_time": iso(at(0)), "end_time": iso(at(1)), "status_code": "OK", "attributes": attributes,
    }  # fmt: skip

    def answer(asked):
        if asked.path == "/v1/projects/default/spans":
            return Answer({"data": [span], "next_cursor": None})
        assert asked.lists in (
            {"span_ids": [context["span_id"]], "limit": ["1000"]},
            {"trace_ids": [context["trace_id"]], "limit": ["1000"]},
        )
        return Answer({"detail": "None of the supplied span_ids exist in this project"}, 404)

    with StandIn(answer) as service:
        (found,) = read(task("phoenix", url=service.url))
        assert len(service.asked) == 3
    assert [call.name for call in found.calls] == ["set_light"]
    assert found.feedback == ()

"""MLflow: the demo's calls, logged by its own client and pulled back."""

from __future__ import annotations

import itertools

import pytest
import requests

from distil_dag.adapters.logs.source import open_log
from distil_dag.stages.reading.discovery.definitions import definitions_in
from distil_dag_tests.adapters.logs.loaded_log import task_of
from distil_dag_tests.adapters.logs.servers.demo import (
    BEGIN,
    CALLS,
    END,
    MIDDLE,
    TOOLS,
    Demo,
    by_call,
    content,
    read,
)

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def ids(demo: Demo, mlflow: str) -> dict[str, str]:
    return demo.send("to_mlflow.py", mlflow)


def source(url: str) -> dict[str, str]:
    return {"kind": "mlflow", "url": url, "experiment": "demo"}


def test_the_same_cases_as_from_the_table(demo: Demo, mlflow: str, ids: dict[str, str]) -> None:
    found = by_call(read(source(mlflow)), ids)
    assert {name: content(trace) for name, trace in found.items()} == {
        name: content(trace) for name, trace in demo.table.items()
    }
    assert {name: trace.time for name, trace in found.items()} == {
        name: trace.time for name, trace in demo.table.items()
    }


def test_the_tools_of_a_request(mlflow: str, ids: dict[str, str]) -> None:
    first = next(open_log(task_of(source(mlflow))).pages())
    assert definitions_in(first[0]) == TOOLS


def test_windows_are_whole_and_disjoint(demo: Demo, mlflow: str, ids: dict[str, str]) -> None:
    first, second = read(source(mlflow), BEGIN, MIDDLE), read(source(mlflow), MIDDLE, END)
    assert first == read(source(mlflow), BEGIN, MIDDLE)
    assert {trace.id for trace in first + second} == set(ids.values())
    assert len(first + second) == CALLS
    assert all(trace.time < MIDDLE for trace in first)
    assert all(trace.time >= MIDDLE for trace in second)


def test_feedback_of_spans_and_of_traces(mlflow: str, ids: dict[str, str]) -> None:
    """As MLflow's own page and its client write it."""
    liked, wrong, other = sorted(ids.values())[:3]

    def say(of: str, name: str, value: object, kind: str = "feedback", span: str = "") -> None:
        trace = f"tr-{of.split('-')[0]}"
        assessment = {
            "assessment_name": name, "trace_id": trace, kind: {"value": value}, "rationale": "It was dark.",
            "source": {"source_type": "HUMAN", "source_id": "anna"}, **({"span_id": span} if span else {}),
        }  # fmt: skip
        path = f"{mlflow}/api/3.0/mlflow/traces/{trace}/assessments"
        answer = requests.post(path, json={"assessment": assessment}, timeout=60)
        assert answer.status_code == 200, answer.text

    say(liked, "thumbs", True)
    say(wrong, "user_feedback", "thumbs_down", span=wrong.split("-")[1])
    say(other, "correctness", False, span="0" * 16)
    say(other, "response", "The den is lit.", "expectation")
    found = {trace.id: trace.feedback for trace in read(source(mlflow)) if trace.feedback}
    told = {name: {str(one): one.is_bad for one in scores} for name, scores in found.items()}
    assert told == {liked: {"thumbs: True": False}, wrong: {"user_feedback: thumbs_down": True}}


def test_calls_that_are_logged_while_pages_are_read(demo: Demo, mlflow: str, ids: dict[str, str]) -> None:
    log = open_log(task_of(source(mlflow)))
    pages = log.pages()
    seen = list(next(pages))
    later = demo.send("to_mlflow.py", mlflow, 0, 40)  # before the calls that are still to be read
    seen += itertools.chain.from_iterable(pages)
    names = [span["span_id"] for span in seen]
    assert len(set(names)) == len(names)
    assert CALLS <= len(names) <= CALLS + len(later)


def test_spans_that_lie_in_files(demo: Demo, mlflow: str, ids: dict[str, str]) -> None:
    """They come at the times of others, and are told by where the server says that they lie."""
    later = demo.send("to_mlflow.py", mlflow, 0, 5, SPANS_IN_FILES="1")
    found = {trace.id: trace for trace in read(source(mlflow))}
    for name, span in later.items():
        assert content(found[span]) == content(demo.table[name])
        assert found[span].time == demo.table[name].time

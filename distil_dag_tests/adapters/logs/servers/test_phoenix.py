"""Arize Phoenix: the demo's calls, logged by its own client and pulled back."""

from __future__ import annotations

import itertools
import time

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
def ids(demo: Demo, phoenix: str) -> dict[str, str]:
    sent = demo.send("to_phoenix.py", phoenix)
    deadline = time.monotonic() + 60
    while len(read({"kind": "phoenix", "url": phoenix})) < CALLS:  # it writes what it was sent a little later
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return sent


def test_the_same_cases_as_from_the_table(demo: Demo, phoenix: str, ids: dict[str, str]) -> None:
    found = by_call(read({"kind": "phoenix", "url": phoenix}), ids)
    assert {name: content(trace) for name, trace in found.items()} == {
        name: content(trace) for name, trace in demo.table.items()
    }
    assert {name: trace.time for name, trace in found.items()} == {
        name: trace.time for name, trace in demo.table.items()
    }


def test_the_tools_of_a_request(phoenix: str, ids: dict[str, str]) -> None:
    first = next(open_log(task_of({"kind": "phoenix", "url": phoenix})).pages())
    assert definitions_in(first[0]) == TOOLS


def test_windows_are_whole_and_disjoint(demo: Demo, phoenix: str, ids: dict[str, str]) -> None:
    source = {"kind": "phoenix", "url": phoenix}
    first, second = read(source, BEGIN, MIDDLE), read(source, MIDDLE, END)
    assert first == read(source, BEGIN, MIDDLE)
    assert {trace.id for trace in first + second} == set(ids.values())
    assert len(first + second) == CALLS
    assert all(trace.time < MIDDLE for trace in first)
    assert all(trace.time >= MIDDLE for trace in second)


def test_annotations_of_spans_and_of_traces(phoenix: str, ids: dict[str, str]) -> None:
    """As Phoenix's own page and its client write them."""
    (liked, of_liked), (wrong, of_wrong) = (name.split("-")[::-1] for name in sorted(ids.values())[:2])
    scores = {
        "span": [
            {"span_id": liked, "name": "thumbs", "annotator_kind": "HUMAN", "result": {"label": "up"}},
            {"span_id": wrong, "name": "correctness", "annotator_kind": "LLM", "result": {"score": 0.0}},
            {"span_id": wrong, "name": "why", "annotator_kind": "HUMAN", "result": {"explanation": "Dark."}},
        ],
        "trace": [
            {"trace_id": of_wrong, "name": "user_feedback", "annotator_kind": "HUMAN",
             "result": {"label": "thumbs-down", "score": -1.0}},
        ],
    }  # fmt: skip
    for kind, data in scores.items():
        answer = requests.post(
            f"{phoenix}/v1/{kind}_annotations", params={"sync": "true"}, json={"data": data}, timeout=60
        )
        assert answer.status_code == 200, answer.text
    found = {
        trace.id: trace.feedback for trace in read({"kind": "phoenix", "url": phoenix}) if trace.feedback
    }
    told = {name: {str(one): one.is_bad for one in scores} for name, scores in found.items()}
    assert told == {
        f"{of_liked}-{liked}": {"thumbs: up": False},
        f"{of_wrong}-{wrong}": {"correctness: 0.0": True, "user_feedback: -1.0": True},
    }


def test_calls_that_are_logged_while_pages_are_read(demo: Demo, phoenix: str, ids: dict[str, str]) -> None:
    log = open_log(task_of({"kind": "phoenix", "url": phoenix}))
    pages = log.pages()
    seen = list(next(pages))
    later = demo.send("to_phoenix.py", phoenix, 0, 40)
    seen += itertools.chain.from_iterable(pages)
    names = [f"{span['context']['trace_id']}-{span['context']['span_id']}" for span in seen]
    assert len(set(names)) == len(names)
    assert set(ids.values()) <= set(names) <= {*ids.values(), *later.values()}

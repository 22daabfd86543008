"""Files of a batch: requests in one, results in another, in any order."""

import pytest

from distil_dag.adapters.logs import joining
from distil_dag.stages.reading.exports.batches import NO_REQUEST, NO_RESULT, SEVERAL
from distil_dag_tests.stages.reading.recorders.samples import LIGHT, read_log

ROOMS = ("den", "hall", "attic")


def asked(room, identity=None):
    body = {"messages": [{"role": "user", "content": f"Light in the {room}"}], "tools": [LIGHT]}
    return {"custom_id": identity or room, "method": "POST", "url": "/v1/chat/completions", "body": body}


def answered(room, identity=None):
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "set_light", "arguments": f'{{"room": "{room}"}}'},
    }
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    response = {"status_code": 200, "request_id": "r", "body": body}
    return {"id": f"batch_req_{room}", "custom_id": identity or room, "response": response, "error": None}


def rooms(log):
    return {trace.request: trace.calls[0].arguments["room"] for trace in log.traces}


ALL = {f"Light in the {room}": room for room in ROOMS}


@pytest.mark.parametrize("order", [1, -1])
def test_requests_and_results_are_joined(order):
    requests, results = [asked(room) for room in ROOMS], [answered(room) for room in reversed(ROOMS)]
    log = read_log(*[*requests, *results][::order])
    assert rooms(log) == ALL
    assert log.reasons == []
    assert log.report.read == len(ROOMS)
    assert [version.requests for version in log.report.tool_versions] == [len(ROOMS)]


def test_anthropics_batches():
    request = {"custom_id": "a", "params": {"messages": [{"role": "user", "content": "Light in the den"}]}}
    block = {"type": "tool_use", "id": "t", "name": "set_light", "input": {"room": "den"}}
    message = {"type": "message", "role": "assistant", "content": [block], "stop_reason": "tool_use"}
    log = read_log(request, {"custom_id": "a", "result": {"type": "succeeded", "message": message}})
    assert rooms(log) == {"Light in the den": "den"}
    failed = read_log(request, {"custom_id": "a", "result": {"type": "expired"}})
    assert failed.reasons == ["the request failed"]


def test_a_half_is_set_aside_by_what_it_lacks():
    log = read_log(asked("den"), answered("hall"))
    assert log.traces == []
    assert sorted(log.reasons) == sorted([NO_RESULT, NO_REQUEST])


@pytest.mark.parametrize(
    "change",
    [
        {"response": None, "error": {"code": "server_error"}},
        {"response": {"status_code": 400, "body": {"error": {"message": "bad"}}}},
    ],
)
def test_a_request_that_failed(change):
    log = read_log(asked("den"), {**answered("den"), **change})
    assert (log.traces, log.reasons) == ([], ["the request failed"])


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (2, 0, 3, 1)])
def test_batches_that_share_ids_are_not_mixed_up(order):
    records = [asked("den", "1"), asked("hall", "1"), answered("den", "1"), answered("hall", "1")]
    log = read_log(*(records[place] for place in order))
    assert (log.traces, log.reasons) == ([], [SEVERAL])


def test_a_half_that_has_left_is_not_taken_for_one_of_another_batch(monkeypatch):
    monkeypatch.setattr(joining, "_MOST_WAITING", 2)
    others = [asked(room) for room in ROOMS]
    log = read_log(asked("den", "1"), *others, asked("hall", "1"), answered("den", "1"))
    assert log.traces == []
    assert set(log.reasons) == {NO_RESULT, NO_REQUEST}

"""Files of a batch: its requests in one, its results in another, told by `custom_id`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.recorders.pairs import is_empty
from distil_dag.stages.reading.strict_values import Unreadable

NO_REQUEST = "the result of a batch without its request; put the input file of the batch beside it"
NO_RESULT = "the request of a batch without its result; put the output file of the batch beside it"
SEVERAL = "several requests or results of a batch under one custom_id; read each batch by itself"
BATCH = "batch "
"""How the keys of halves begin."""
_REQUESTS = ("body", "params")  # of OpenAI, of Anthropic
_AMBIGUOUS = "several_of_batch"

Record = Mapping[str, Any]


def knows(record: Record) -> bool:
    """Whether a record is a request of a batch, a result, or both joined."""
    return isinstance(record.get("custom_id"), str) and (
        _AMBIGUOUS in record or _request(record) is not None or _has_result(record)
    )


def key_of(record: Record) -> str:
    """What the other half of a record is found by; empty for a record that is whole."""
    if not knows(record) or (_request(record) is not None and _has_result(record)):
        return ""
    return f"{BATCH}{record['custom_id']}"


def join(first: Record, second: Record) -> dict[str, Any]:
    """The record that a request and its result make up; one that is set aside where either comes twice."""
    halves = (first, second)
    is_pair = [_request(one) is not None for one in halves] in ([True, False], [False, True])
    if any(_AMBIGUOUS in one for one in halves) or not is_pair or _is_whole(first) or _is_whole(second):
        return {"custom_id": first["custom_id"], _AMBIGUOUS: True}
    asked, answered = halves if _request(first) is not None else (second, first)
    return {**answered, **{name: asked[name] for name in _REQUESTS if name in asked}}


def chat_record(record: Record) -> dict[str, Any]:
    """The record of a request and its result.

    Raises:
        Unreadable: one of them is not in the log, or the request failed.
    """
    if _AMBIGUOUS in record:
        raise Unreadable(SEVERAL)
    request = _request(record)
    if not _has_result(record):
        raise Unreadable(NO_RESULT)
    if request is None:
        raise Unreadable(NO_REQUEST)
    response, result = record.get("response"), record.get("result")
    if not is_empty(record.get("error")):
        raise Unreadable("the request failed", "the result of the batch is an error")
    if isinstance(result, Mapping):
        if result.get("type") != "succeeded" or not isinstance(result.get("message"), Mapping):
            raise Unreadable("the request failed", f"its result is {str(result.get('type'))[:40]}")
        return {"request": request, "response": result["message"]}
    if not isinstance(response, Mapping) or response.get("status_code") not in (None, 200):
        raise Unreadable("the request failed", "the result of the batch has no answer")
    return {"request": request, "response": response.get("body")}


def _request(record: Record) -> Record | None:
    return next((held for name in _REQUESTS if isinstance(held := record.get(name), Mapping)), None)


def _has_result(record: Record) -> bool:
    response, result = record.get("response"), record.get("result")
    return (
        (isinstance(response, Mapping) and ("body" in response or "status_code" in response))
        or (isinstance(result, Mapping) and "type" in result)
        or ("response" in record and not is_empty(record.get("error")))
    )


def _is_whole(record: Record) -> bool:
    return _request(record) is not None and _has_result(record)

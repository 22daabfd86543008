"""Amazon Bedrock: what Converse answers, and the records of its invocation log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.formats.messages import with_system
from distil_dag.stages.reading.formats.streamed import is_events, whole_answer
from distil_dag.stages.reading.logged_calls import as_list, from_json_text
from distil_dag.stages.reading.strict_values import Unreadable


def is_answer(value: Any) -> bool:
    """Whether a value is the `output` of Converse."""
    return isinstance(value, Mapping) and isinstance(value.get("message"), Mapping) and len(value) == 1


def logged_pair(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The request and response of a record of the invocation log; None for any other record.

    Raises:
        Unreadable: the bodies are kept apart from the record.
    """
    given, got = record.get("input"), record.get("output")
    if not isinstance(given, Mapping) or not isinstance(got, Mapping):
        return None
    if any(holder.keys() & {"inputBodyS3Path", "outputBodyS3Path"} for holder in (given, got)):
        raise Unreadable("the bodies are kept elsewhere", "the record names objects in S3")
    if "inputBodyJson" not in given:
        return None
    request, response = given["inputBodyJson"], got.get("outputBodyJson")
    if is_events(response):
        response = whole_answer(response)
    elif isinstance(response, list):
        raise Unreadable("a streamed answer", "outputBodyJson holds its events")
    return {**record, "request": request, "response": response, "input": None, "output": None}


def chat_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record as a pair of `request` and `response`.

    Raises:
        Unreadable: it holds no messages.
    """
    request, response = record.get("request"), record.get("response")
    asked = request if isinstance(request, Mapping) else record
    answered = response if isinstance(response, Mapping) else record
    messages = with_system(
        as_list(
            asked.get("messages") if isinstance(request, Mapping) or request is None else request, "messages"
        ),
        from_json_text(asked.get("system"), "system")
        if _is_json(asked.get("system"))
        else asked.get("system"),
    )
    message = from_json_text(answered.get("output"), "output")["message"]
    ending = answered.get("stopReason") or answered.get("stop_reason")
    response = {"message": {**message, **({"stop_reason": ending} if ending else {})}}
    return {**record, "request": {"messages": messages}, "response": response, "output": None}


def _is_json(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("[{")

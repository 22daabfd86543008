"""smolagents: the steps of an agent's memory (`step.dict()`)."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.parts import read_parts
from distil_dag.stages.reading.recorders.outcome import AROUND, NoAnswer
from distil_dag.stages.reading.recorders.pairs import is_empty, parsed
from distil_dag.stages.reading.recorders.spans.span import milliseconds
from distil_dag.stages.reading.strict_values import Unreadable

_TASK, _CALLING, _OBSERVATION = "New task:\n", "Calling tools:\n", "Observation:\n"


def knows(record: Mapping[str, Any]) -> bool:
    """Whether a record is a step of an agent."""
    return "model_input_messages" in record or ("task" in record and "task_images" in record)


def chat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a step in which the model acted.

    Raises:
        Unreadable: it has no answer, or its history can't be told apart.
        NoAnswer: it is a task or a plan.
    """
    given = parsed(record.get("model_input_messages"), "model_input_messages")
    if "step_number" not in record or not isinstance(given, list):
        raise NoAnswer(AROUND)
    answer = parsed(record.get("model_output_message"), "model_output_message")
    calls = parsed(record.get("tool_calls"), "tool_calls")
    if not isinstance(answer, Mapping):
        raise Unreadable("no response", "the step has no model_output_message")
    message = {key: answer.get(key) for key in ("content", "tool_calls")} | {"role": "assistant"}
    if is_empty(message["tool_calls"]) and not is_empty(calls):
        # The call was spelled in the text; the step holds it as it was parsed.
        message |= {"tool_calls": calls, "content": None}
    timing = parsed(record.get("timing"), "timing")
    timing = timing if isinstance(timing, Mapping) else {}
    return {
        "request": {"messages": list(_turns(given))},
        "response": {"message": message},
        "model": _model(answer.get("raw")),
        "latency_ms": milliseconds(timing.get("start_time"), timing.get("end_time")),
        "recorded_at": timing.get("start_time"),
    }


def _turns(messages: list[Any]) -> Iterator[dict[str, Any]]:
    ids: list[Any] = []
    for message in messages:
        if not isinstance(message, Mapping):
            raise Unreadable("wrong type", "a message of a step is no object")
        role, text = message.get("role"), _text(message)
        if role in ("tool-call", "tool_call"):
            calls = _calls(text)
            ids = [call.get("id") for call in calls]
            yield {"role": "assistant", "content": None, "tool_calls": calls}
        elif role in ("tool-response", "tool_response"):
            yield from _results(text, ids)
        else:
            yield {**message, "content": text.removeprefix(_TASK) if role == "user" else text}


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    return read_parts(content)[0] if isinstance(content, list) else str(content or "")


def _calls(text: str) -> list[dict[str, Any]]:
    """The calls of a turn, which is written as Python prints them."""
    try:
        calls = ast.literal_eval(text.removeprefix(_CALLING).strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise Unreadable("unreadable call", "a call of the history can't be read") from None
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise Unreadable("unreadable call", "a turn of calls holds no list of them")
    return calls


def _results(text: str, ids: list[Any]) -> Iterator[dict[str, Any]]:
    """The results of a turn's calls, which stand in one text, a line each."""
    said = text.removeprefix(_OBSERVATION)
    lines = [said] if len(ids) <= 1 else said.split("\n")
    if len(lines) != max(len(ids), 1):
        raise Unreadable("results that can't be told apart", f"{len(lines)} lines for {len(ids)} calls")
    for line, identity in zip(lines, ids or [None], strict=True):
        yield {"role": "tool", "content": line, **({"tool_call_id": identity} if identity else {})}


def _model(raw: Any) -> Any:
    return raw.get("model") if isinstance(raw, Mapping) else None

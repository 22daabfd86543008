"""Which format a record has, told by its fields, and the record in one of the three basic formats.

The basic formats are `openai_chat`, `messages` and `question_answer`; `records.py` of the package above reads
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from distil_dag.core.source_fields import RecordFormat
from distil_dag.stages.reading.fields import MARKS
from distil_dag.stages.reading.formats import bedrock, dataset_rows, gemini, responses_api, sharegpt
from distil_dag.stages.reading.formats.found_bodies import found_pair
from distil_dag.stages.reading.formats.messages import with_system
from distil_dag.stages.reading.logged_calls import as_list, from_json_text
from distil_dag.stages.reading.recorders.gateways import exchanges
from distil_dag.stages.reading.recorders.registry import recorded
from distil_dag.stages.reading.strict_values import Unreadable

Record = Mapping[str, Any]
BASIC = frozenset({"openai_chat", "messages", "question_answer"})
_BODIES = ("request", "response")
_INPUTS = ("input", "output", "inputs", "outputs")


def basic_record(record: Record, record_format: RecordFormat) -> Record:
    """The record in a basic format; as it is, where it has one already.

    Args:
        record: the record as it was logged.
        record_format: its format, or `auto`.

    Raises:
        Unreadable: the record is broken, or has none of the fields of its format.
        NoAnswer: a recorder wrote it of something else than an answer of a model.
    """
    if exchanges.knows(record):
        # In whatever form it is asked for: what a student guessed must not pass for what was right.
        record = {"recorded_at": None, **exchanges.chat_record(record)}
    if record_format in ("messages", "question_answer"):
        return record
    if record_format == "auto" and not MARKS.isdisjoint(record):
        record = recorded(record) or record
    if _has_bodies(record):
        record = {**record, **{name: _body(record.get(name), name) for name in _BODIES}}
    if record_format == "openai_chat" or _is_completion(record):
        return record
    if record_format != "auto":
        record = _with_bodies(record)
        _check_fields(record, record_format)
        return _READERS[record_format](record)
    found = _format_of(record)
    if found:
        return _READERS[found](record)
    logged, record = record, _with_bodies(record)
    found = _format_of(record)
    if found is None and _is_unknown(record) and (pair := found_pair(logged)):
        record = pair
        found = _format_of(record)
    return _READERS[found](record) if found else record


def _is_unknown(record: Record) -> bool:
    """Whether a record has not both, a request and an answer, where a basic format has them."""
    has = record.get
    if has("question") is not None or has("answer") is not None or has("context") is not None:
        return False
    if isinstance(messages := has("messages"), list):
        last = messages[-1] if messages else None
        return has("response") is None and isinstance(last, Mapping) and last.get("role") in ("user", "tool")
    return messages is None and (has("request") is None or has("response") is None)


def _has_bodies(record: Record) -> bool:
    if record.get("response") is not None:
        return True
    # Beside messages or a question, a field `request` is something else.
    return (
        record.get("request") is not None
        and record.get("messages") is None
        and record.get("question") is None
    )


def _is_completion(record: Record) -> bool:
    """Whether a record is a plain chat completion, which most are."""
    request, response = record.get("request"), record.get("response")
    return (
        isinstance(request, Mapping)
        and isinstance(response, Mapping)
        and "choices" in response
        and "messages" in request
        and "system" not in request
    )


def _format_of(record: Record) -> RecordFormat | None:
    """The format of a record that is in no basic one."""
    has = record.get
    free = has("messages") is None and (has("question") is None or has("answer") is None)
    if free and (_is_list(has("conversations")) or _is_list(has("conversation"))):
        return "sharegpt"
    request, response = has("request"), has("response")
    asked = request if isinstance(request, Mapping) else record
    answered = response if isinstance(response, Mapping) else record
    candidates = answered.get("candidates") is not None and "choices" not in answered
    if asked.get("messages") is None and free and (candidates or asked.get("contents") is not None):
        return "gemini"
    if bedrock.is_answer(answered.get("output")):
        return "bedrock"
    if asked.get("messages") is None and (
        responses_api.is_output(response)
        or responses_api.is_output(answered.get("output"))
        or answered.get("object") == "response"
        or _is_input(asked.get("input"), answered)
    ):
        return "responses"
    if free and isinstance(has("chat"), str):
        return "glaive"
    if free and has("query") is not None and has("answers") is not None:
        return "xlam"
    if asked.get("system") is not None or asked.get("system_prompt") is not None:
        return "anthropic" if asked.get("messages") is not None else None
    return None


def _is_list(value: Any) -> bool:
    """Whether a value is a list, or text of one; an id of a conversation is none."""
    return isinstance(value, list) or (isinstance(value, str) and value.lstrip()[:1] == "[")


def _is_input(value: Any, answered: Record) -> bool:
    """Whether a value is a list of input items, which are answered by no text."""
    if not isinstance(value, list) or answered.get("output") is not None:
        return False
    return any(isinstance(item, Mapping) and item.get("type") == "function_call" for item in value)


def _with_bodies(record: Record) -> Record:
    """The record with `request` and `response`, if it keeps them as what went in and what came out."""
    if not any(record.get(name) is not None for name in (*_INPUTS, "items", "preferred_output")):
        return record
    if (
        record.get("request") is not None
        or record.get("messages") is not None
        or record.get("instruction") is not None
    ):
        return record
    given = _first(record, ("input", "inputs"))
    got = _first(record, ("output", "outputs", "preferred_output"))
    record = {**record, "input": given, "output": got}
    pair = bedrock.logged_pair(record)
    if pair is not None:
        return {**pair, **{name: _body(pair[name], name) for name in _BODIES}}
    if isinstance(record.get("items"), list):
        return {**record, "messages": record["items"]}
    if bedrock.is_answer(got) or responses_api.is_output(got):
        return record
    return _traced(record, given, got)


def _traced(record: Record, given: Any, got: Any) -> Record:
    """A span of a tracing service: messages went in, a message came out."""
    if isinstance(given, Mapping):
        given = {**given, "messages": _unwrapped(given["messages"])} if "messages" in given else given
    elif _are_messages(given):
        given = {"messages": _unwrapped(given)}
    if not isinstance(given, Mapping) or not ("messages" in given or "contents" in given or "input" in given):
        return record
    if isinstance(got, Mapping) and isinstance(got.get("generations"), list):
        choices = _unwrapped(got["generations"])
        got = {"choices": choices} if isinstance(choices, list) else got
    elif isinstance(got, Mapping) and _are_messages(got.get("messages")):
        if len(got["messages"]) > 1 or not _are_messages(given.get("messages")):
            return {**record, "messages": got["messages"]}
        got = {"message": got["messages"][0]}  # the answer alone
    elif _are_messages(got):
        got = {"choices": [{"message": got[0]}]} if len(got) == 1 else {"output": got}
    if isinstance(got, Mapping):
        return {**record, "request": given, "response": got, "input": None, "output": None}
    return record


def _first(record: Record, names: tuple[str, ...]) -> Any:
    value = next((record[name] for name in names if record.get(name) is not None), None)
    if isinstance(value, str) and value.lstrip().startswith(("{", "[{", "[[")):
        try:
            return from_json_text(value, names[0])
        except Unreadable:
            return value
    return value


def _unwrapped(messages: Any) -> Any:
    """Messages of a batch of one, as LangChain logs them."""
    batch = isinstance(messages, list) and len(messages) == 1 and isinstance(messages[0], list)
    return messages[0] if batch else messages


def _are_messages(value: Any) -> bool:
    value = _unwrapped(value)
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, Mapping) and (one.get("role") or one.get("type")) for one in value)
    )


def _body(value: Any, name: str) -> Any:
    """The body of a request or a response, parsed."""
    value = from_json_text(value, name)
    inner = value.get("body") if isinstance(value, Mapping) else None
    return from_json_text(inner, name) if isinstance(inner, (Mapping, str)) else value


def _with_apart_system(record: Record) -> Record:
    """A record of Anthropic's form: the system prompt stands beside the messages."""
    request = record.get("request")
    asked = request if isinstance(request, Mapping) else record
    system = asked.get("system") or asked.get("system_prompt")
    system = from_json_text(system, "system") if isinstance(system, str) and system[:2] == "[{" else system
    messages = with_system(as_list(asked.get("messages"), "messages"), system)
    return (
        {**record, "request": {**asked, "messages": messages}}
        if request
        else {**record, "messages": messages}
    )


def _check_fields(record: Record, record_format: RecordFormat) -> None:
    if record_format == "anthropic" or _format_of(record) == record_format:
        return
    found = ", ".join(sorted(map(str, record))[:8])
    raise Unreadable("unknown format", f"the record is not of format {record_format}; has {found[:200]}")


_READERS: Mapping[str, Callable[[Record], Record]] = {
    "sharegpt": sharegpt.chat_record,
    "responses": responses_api.chat_record,
    "anthropic": _with_apart_system,
    "gemini": gemini.chat_record,
    "bedrock": bedrock.chat_record,
    "xlam": dataset_rows.xlam_record,
    "glaive": dataset_rows.glaive_record,
}

"""Personal data out of an exchange before it is written: by the rules by which a log is read.

So a log that was redacted as it was written gives the same traces as one that is redacted as it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.recorders.gateways.exchanges import WITHHELD
from distil_dag.stages.reading.redaction.redactor import Redactor
from distil_dag.stages.reading.strict_values import Unreadable
from distil_dag.stages.serving.exchange import Exchange

# The developer's own, and what names a model or a thing, in which digits are no telephone number.
_AS_IS = frozenset({"tools", "functions", "model", "id", "tool_call_id", "created", "usage", "role", "type"})
_CALLS = ("tool_calls", "function_call")
_TURNS = ("messages", "choices")
# The caller's own, where any name may hold anything.
_FREE = "metadata"


def redacted(exchange: Exchange) -> Exchange:
    """The exchange with typed placeholders in place of personal data, in requests and answers alike.

    What digits are is told by the schemas of the tools that the request itself brings, whichever student
    answers by then.

    Args:
        exchange: as it was sent.

    Returns:
        The exchange. One with more values than can be followed keeps its figures, but no content.
    """
    bodies = (exchange.request, exchange.of_teacher, exchange.of_student)
    parsed = {id(body): _with_parsed(body) for body in bodies if body}
    values: list[Any] = []
    calls: list[ToolCall] = []
    # A reader meets request and teacher, texts before calls: in this order it numbers placeholders.
    for part in (bodies[:2], bodies[2:]):
        held = [parsed[id(body)] for body in part if body]
        values += [text for body in held for name in _TURNS for text in _texts(body.get(name))]
        found = [call for body in held for call in _calls(body)]
        values += ({call.name: call.arguments} for call in found)
        calls += found
    for body in parsed.values():
        rest = {key: item for key, item in body.items() if key not in _TURNS}
        values += [*_texts(rest), rest.get(_FREE)]
    values.append(exchange.conversation or "")
    try:
        redactor = Redactor(values, calls, _toolset(json.dumps(exchange.request.get("tools"))))
    except Unreadable as problem:
        kept = {WITHHELD: str(problem)}
        return replace(
            exchange, request=kept, response=kept, other=kept if exchange.other else None, conversation=None
        )
    if redactor.is_idle:
        return exchange

    def of(body: Mapping[str, Any] | None) -> Any:
        return body and _with_dumped(_replaced(parsed[id(body)], redactor))

    conversation = exchange.conversation and redactor.text(exchange.conversation)
    return replace(
        exchange,
        request=of(exchange.request),
        response=of(exchange.response),
        other=of(exchange.other),
        conversation=conversation,
    )


@lru_cache(maxsize=64)
def _toolset(tools: str) -> Toolset | None:
    """The tools of a request, which are the same few again and again; None where they can't be read."""
    try:
        return Toolset.from_openai(json.loads(tools))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


class _Arguments(dict[str, Any]):
    """Arguments of a call, which a body holds as JSON text."""


def _with_parsed(value: Any) -> Any:
    """A body with its arguments parsed: in their text a number could only become broken JSON."""
    if isinstance(value, Mapping):
        return {
            key: _arguments(item) if key == "arguments" else item if key in _AS_IS else _with_parsed(item)
            for key, item in value.items()
        }
    return [_with_parsed(item) for item in value] if isinstance(value, (list, tuple)) else value


def _arguments(text: Any) -> Any:
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text
    return _Arguments(found) if isinstance(found, dict) and isinstance(text, str) else text


def _with_dumped(value: Any) -> Any:
    if isinstance(value, _Arguments):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return {key: _with_dumped(item) for key, item in value.items()}
    return [_with_dumped(item) for item in value] if isinstance(value, list) else value


def _replaced(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, _Arguments):
        return _Arguments(redactor.value(dict(value)))
    if isinstance(value, dict):
        return {
            key: redactor.value(item)
            if key == _FREE
            else item
            if key in _AS_IS
            else _replaced(item, redactor)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_replaced(item, redactor) for item in value]
    return redactor.value(value) if isinstance(value, str) else value


def _texts(value: Any) -> Iterator[str]:
    """The texts of a body, in their order, without its calls."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _AS_IS and key not in _CALLS and key != _FREE:
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _calls(value: Any) -> Iterator[ToolCall]:
    if isinstance(value, dict):
        name, arguments = value.get("name"), value.get("arguments")
        if isinstance(name, str) and isinstance(arguments, dict):
            yield ToolCall(name=name, arguments=dict(arguments))
        for key, item in value.items():
            if key not in _AS_IS:
                yield from _calls(item)
    elif isinstance(value, list):
        for item in value:
            yield from _calls(item)

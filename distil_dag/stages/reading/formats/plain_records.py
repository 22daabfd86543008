"""Plain records, read in one go: words of a user, answered by calls, nothing that a rule treats specially.

Most records of a log are plain. What is given here is what `records.py` of the package above would read.
Whatever needs one of its rules (other roles, parts, thoughts, ends that say something) is left to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple

from distil_dag.core.case import Message, Trace
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.reading.endings import KEYS as ENDINGS
from distil_dag.stages.reading.evidence.beside import Evidence
from distil_dag.stages.reading.redaction.first_look import is_worth_a_look
from distil_dag.stages.reading.redaction.replaced_texts import may_be_replaced
from distil_dag.stages.reading.strict_values import MAX_RECORD_BYTES, Unreadable, is_clean, parse_json

MAX_MODEL = 200
"""Characters of a model's name."""
# Of a message, a choice and a call: the keys that say nothing beyond what is read here.
_ANSWER = frozenset({"role", "content", "tool_calls", "refusal"})
_CHOICE = frozenset({"index", "message", "finish_reason", "logprobs"})
_CALL = frozenset({"id", "type", "index", "function"})
_NOTHING: tuple[Any, ...] = (None, "")
_ENDINGS = frozenset(ENDINGS)
_ENDED_WELL = (None, "stop", "tool_calls")
_ROOM = ("max_tokens", "max_completion_tokens")
# A longer text is looked through by itself, since it is mostly a prompt that comes again and again.
_SHORT, _LONG = 200, 20_000
_MOST_TURNS = MAX_RECORD_BYTES // _LONG  # so that they are not too long together
_REPEATED = 500  # logs repeat short calls
_BETWEEN = ";"  # no pattern of personal data reaches across it
_SCALARS = {None: "null", True: "true", False: "false"}


class PlainCall(NamedTuple):
    """A call.

    Attributes:
        name: as of a call, as are the arguments.
        said: its JSON.
        may_be_personal: whether it may hold personal data.
    """

    name: str
    arguments: dict[str, Any]
    said: str
    may_be_personal: bool = False

    @classmethod
    def of(cls, name: str, arguments: dict[str, Any], may_be_personal: bool = False) -> PlainCall:
        """A call whose arguments are texts, whole numbers, booleans and nulls."""
        said = f'{{"name": {quoted(name)}, "arguments": {_object(arguments)}}}'
        return cls(name, arguments, said, may_be_personal)


class PlainTrace(NamedTuple):
    """A trace as its parts; its request is the last of its turns.

    Attributes:
        id: as of a trace.
        turns: (role, words) of each turn.
        calls: the calls.
        time: as of a trace, as are the others.
    """

    id: str
    turns: list[tuple[str, str]]
    calls: list[PlainCall]
    time: datetime | None
    problems: tuple[str, ...]
    model: str
    latency_ms: float | None
    evidence: Evidence

    @property
    def system(self) -> str:
        """The words of all system turns, joined by newlines."""
        return "\n".join([words for role, words in self.turns if role == "system"])

    @property
    def called(self) -> list[str]:
        """The names of the tools that are called."""
        return [call.name for call in self.calls]

    def trace(self) -> Trace:
        """The trace itself."""
        return Trace(
            id=self.id,
            messages=tuple(Message(role=role, content=words) for role, words in self.turns),  # type: ignore[arg-type]
            calls=tuple(ToolCall(name=call.name, arguments=call.arguments) for call in self.calls),
            time=self.time,
            problems=self.problems,
            model=self.model,
            latency_ms=self.latency_ms,
            **self.evidence.usage._asdict(),
            feedback=self.evidence.feedback,
        )

    def values(self) -> tuple[Any, ...]:
        """What `Trace.row` gives, without the names."""
        turns = ", ".join([f'{{"role": "{role}", "content": {quoted(words)}}}' for role, words in self.turns])
        usage, feedback = self.evidence
        return (
            self.id,
            "",
            self.time.isoformat().replace("+00:00", "Z") if self.time else None,
            f"[{', '.join(map(quoted, self.problems))}]" if self.problems else "[]",
            self.model,
            self.latency_ms,
            *usage,
            json.dumps([one.model_dump() for one in feedback], ensure_ascii=False) if feedback else "[]",
            self.turns[-1][1],
            f"[{turns}]",
            f"[{', '.join([call.said for call in self.calls])}]",
        )


def _object(values: dict[str, Any]) -> str:
    """An object of texts, whole numbers, booleans and nulls as `json.dumps` writes it."""
    members = (
        f"{quoted(key)}: "
        + (quoted(value) if type(value) is str else str(value) if type(value) is int else _SCALARS[value])
        for key, value in values.items()
    )
    return f"{{{', '.join(members)}}}"


def plain_parts(
    record: Mapping[str, Any],
) -> tuple[list[tuple[str, str]], list[PlainCall], str, bool] | None:
    """What a plain record says.

    Args:
        record: a chat completion, its bodies as objects or as JSON text.

    Returns:
        Turns, calls and model as of :class:`PlainTrace`, and whether they may hold personal data; None for a
        record that is not plain.
    """
    request, response = _body(record.get("request")), _body(record.get("response"))
    if request is None or response is None or response.get("error"):
        return None
    turns, answer = _turns(request), _answer(record, request, response)
    if turns is None or answer is None:
        return None
    model = ""
    for holder in (response, request, record):
        if type(name := holder.get("model")) is str:
            model = name
            break
    calls = _calls(answer)
    if calls is None:
        return None
    texts = [model]
    may_be_personal = False
    for call in calls:
        may_be_personal |= call.may_be_personal
    for _, words in turns:
        if len(words) > _SHORT:
            if len(words) > _LONG or words[0] == "[" or not is_clean(words):
                return None
            may_be_personal |= is_worth_a_look(words)
        else:
            texts.append(words)
    text = _BETWEEN.join(texts)
    if not _is_plain(text):
        return None
    return turns, calls, model[:MAX_MODEL], may_be_personal or is_worth_a_look(text)


def _body(value: Any) -> dict[str, Any] | None:
    if type(value) is str:
        try:
            value = parse_json(value)
        except Unreadable:
            return None
    return value if type(value) is dict and "body" not in value else None


def _turns(request: dict[str, Any]) -> list[tuple[str, str]] | None:
    messages = request.get("messages")
    if type(messages) is not list or not 0 < len(messages) < _MOST_TURNS or "system" in request:
        return None
    turns = []
    role: Any = ""
    words: Any = ""
    for message in messages:
        if type(message) is not dict or len(message) != 2:
            return None
        role, words = message.get("role"), message.get("content")
        if type(words) is not str or not words or (role != "user" and role != "system"):
            return None
        turns.append((role, words))
    return turns if role == "user" and words.strip() else None


def _answer(
    record: Mapping[str, Any], request: dict[str, Any], response: dict[str, Any]
) -> dict[str, Any] | None:
    """The message that answers, where it is the only one and nothing says that it ended badly."""
    choices = response.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
        return None
    choice = choices[0]
    answer, ending = choice.get("message"), choice.get("finish_reason")
    if type(answer) is not dict or ending not in _ENDED_WELL:
        return None
    if ending != "stop" and any(request.get(name) for name in _ROOM):
        return None
    if not _CHOICE.issuperset(choice) or _says_how_it_ended(response) or _says_how_it_ended(record):
        return None
    if not _ANSWER.issuperset(answer) or answer.get("content") not in _NOTHING:
        return None
    if answer.get("refusal") not in _NOTHING:
        return None
    return answer if answer.get("role", "assistant") == "assistant" else None


def _says_how_it_ended(holder: Mapping[str, Any]) -> bool:
    return not _ENDINGS.isdisjoint(holder) and any(holder.get(name) for name in _ENDINGS)


def _calls(answer: dict[str, Any]) -> list[PlainCall] | None:
    listed = answer.get("tool_calls")
    if type(listed) is not list or not listed:
        return None
    calls = []
    for one in listed:
        function = one.get("function") if type(one) is dict and _CALL.issuperset(one) else None
        if type(function) is not dict or len(function) != 2:
            return None
        name, text = function.get("name"), function.get("arguments")
        if type(name) is not str or not name or type(text) is not str:
            return None
        call = _call_once(name, text) if len(text) < _REPEATED else _call(name, text)
        if call is None:
            return None
        calls.append(call)
    return calls


def _call(name: str, text: str) -> PlainCall | None:
    try:
        arguments = parse_json(text)
    except Unreadable:
        return None
    if type(arguments) is not dict or name.startswith("functions."):
        return None
    words = [name]
    for key, value in arguments.items():
        if type(value) is int:
            words += (key, str(value))
        elif type(value) is str:
            words += (key, value)
        elif value is None or type(value) is bool:
            words.append(key)
        else:
            return None
    text = _BETWEEN.join(words)
    return PlainCall.of(name, arguments, is_worth_a_look(text)) if _is_plain(text) else None


_call_once = lru_cache(maxsize=4096)(_call)


def _is_plain(text: str) -> bool:
    """Whether texts may be kept, but for personal data."""
    return is_clean(text) and not may_be_replaced(text)

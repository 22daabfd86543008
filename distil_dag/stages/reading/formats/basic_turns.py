"""The turns of a record in one of the three basic formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.core.tool_call import calls_key
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.endings import refuse_unfinished, with_ending
from distil_dag.stages.reading.formats.messages import chat_messages
from distil_dag.stages.reading.logged_calls import (
    as_list,
    checked,
    from_json_text,
    read_logged_call,
    refuse_calls_around,
)
from distil_dag.stages.reading.strict_values import Unreadable, clean_text
from distil_dag.stages.reading.turns import Record, Turn, read_content, read_said, read_turn


def turns_of(record: Record, style: str, tools: Toolset | None) -> Iterator[Turn]:
    """The turns of a record, the answer as the last one or, in `messages`, wherever it stands.

    Args:
        record: the record.
        style: its format, one of :data:`~distil_dag.stages.reading.formats.records.BASIC`.
        tools: the known tools, by which calls in a text are told from words.

    Raises:
        Unreadable: a turn can't be read.
    """
    if style == "openai_chat":
        request = record.get("request") or record
        history = request.get("messages") if isinstance(request, Mapping) else request
        for raw in chat_messages(as_list(history, "request.messages")):
            yield read_turn(raw, tools=tools)
        yield _response(record, request, tools)
    elif style == "messages":
        name = "messages" if record.get("messages") is not None else "context"
        raws = as_list(record.get(name), name)
        last = raws[-1] if raws else None
        for raw in raws:
            for message in chat_messages([raw]):
                ended = with_ending(message, record, record.get("metadata")) if raw is last else message
                turn = read_turn(ended, _is_learnt(message), tools)
                if raw is last and turn.answers and not turn.calls:
                    refuse_calls_around(record)
                yield turn
    else:
        refuse_unfinished(record)
        yield from _question(record.get("question"), tools)
        turn = _answer(record.get("answer"), tools)
        if not turn.calls:
            refuse_calls_around(record)
        yield turn


def _is_learnt(message: Any) -> bool:
    """Whether a turn counts as an answer; files for fine-tuning leave turns out by a weight of 0."""
    return not (isinstance(message, Mapping) and message.get("weight") == 0)


def _response(record: Record, request: Any, tools: Toolset | None) -> Turn:
    """The turn of a response; its choices must agree on what is called."""
    response = record.get("response")
    messages = _response_messages(response)
    _refuse_full(request, response, messages[0])
    first, *others = (
        read_turn(with_ending(message, response, record), answers=True, tools=tools) for message in messages
    )
    for place, other in enumerate(others, start=1):
        if calls_key(other.calls) != calls_key(first.calls):
            raise Unreadable("several choices", f"choices[{place}] holds another answer than choices[0]")
    if not first.calls:
        choices = response.get("choices") if isinstance(response, Mapping) else None
        refuse_calls_around(*(choices if isinstance(choices, list) else ()), response, record)
    return first


def _response_messages(response: Any) -> list[Any]:
    if not isinstance(response, Mapping):
        raise Unreadable("no response" if response is None else "wrong type", "response is no object")
    if response.get("error"):
        raise Unreadable("the response is an error")
    choices = response.get("choices")
    if choices is None and response.get("done") is False:
        raise Unreadable("cut answer", "done is false: this is a part of a stream")
    if choices is None:
        return [_one_message(response.get("message", response))]
    if not isinstance(choices, list) or not choices or not all(isinstance(one, Mapping) for one in choices):
        raise Unreadable("no response", "choices holds none")
    return [with_ending(_one_message(one.get("message")), one) for one in choices]


def _one_message(raw: Any) -> Any:
    """The chat message that a response's message stands for."""
    messages = list(chat_messages([_as_assistant(raw)]))
    if len(messages) != 1:
        raise Unreadable("no response", f"the response holds {len(messages)} messages")
    return messages[0]


def _refuse_full(request: Any, response: Any, message: Any) -> None:
    """Check that an answer that does not say it is whole did not end because no room was left for more."""
    if not isinstance(request, Mapping) or not isinstance(response, Mapping):
        return
    usage = response.get("usage")
    used = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    room = request.get("max_completion_tokens") or request.get("max_tokens")
    open_end = isinstance(message, Mapping) and message.get("finish_reason") in (None, "", "tool_calls")
    if open_end and isinstance(used, int) and isinstance(room, int) and used >= room > 0:
        raise Unreadable("cut answer", f"it has all of {room} tokens that the request allows")


def _as_assistant(message: Any) -> Any:
    return {"role": "assistant", **message} if isinstance(message, Mapping) else message


def _question(question: Any, tools: Toolset | None) -> Iterator[Turn]:
    """A question is the words of the user, or a whole conversation as a list of turns."""
    if isinstance(question, str) and question.lstrip().startswith('[{"'):
        question = from_json_text(question, "question")
    if isinstance(question, list):
        for raw in chat_messages(question):
            yield read_turn(raw, tools=tools)
    else:
        yield Turn("user", read_content(question))


def _answer(answer: Any, tools: Toolset | None) -> Turn:
    if isinstance(answer, str):
        said = read_said(clean_text(answer, "answer"), tools)
        if not said.calls and said.text.startswith(("{", "[{")):
            raise Unreadable("unreadable call", "the answer is JSON, and no call")
        return Turn("assistant", said.text, said.calls, answers=True)
    if isinstance(answer, Mapping) and ("role" in answer or "tool_calls" in answer):
        return read_turn(_as_assistant(answer), answers=True, tools=tools)
    if answer is None:
        raise Unreadable("no answer")
    calls = answer if isinstance(answer, list) else [answer]
    return Turn("assistant", "", checked(read_logged_call(value) for value in calls), answers=True)
